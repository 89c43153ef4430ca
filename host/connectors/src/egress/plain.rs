//! Answers must come as they are: what is compressed cannot be scrubbed of a secret that a partner echoes, and may be a
//! thousand times as large as it looks. The host asks for no coding, and takes none.
use http::{HeaderMap, header};

/// Whether an answer's head says that its body is coded.
pub(crate) fn is_coded(headers: &HeaderMap) -> bool {
    let other = |name: header::HeaderName, plain: [&str; 2]| {
        headers.get_all(name).iter().any(|value| {
            let mut codings =
                value.to_str().unwrap_or("?").split(',').map(str::trim).filter(|coding| !coding.is_empty());
            codings.any(|coding| !plain.iter().any(|plain| coding.eq_ignore_ascii_case(plain)))
        })
    };
    other(header::CONTENT_ENCODING, ["identity", "identity"])
        || other(header::TRANSFER_ENCODING, ["chunked", "identity"])
}

/// How bodies begin that are compressed and do not say so: gzip, Zstandard, xz, bzip2.
const BEGINNINGS: [&[u8]; 4] = [b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ", b"BZh"];
/// The longest of them.
const LONGEST: usize = 5;

/// Looks at how a body begins, over its chunks.
#[derive(Debug, Default)]
pub(crate) struct Beginning(Vec<u8>);

impl Beginning {
    /// Takes the next bytes; true where the body is compressed.
    pub(crate) fn is_compressed(&mut self, bytes: &[u8]) -> bool {
        if self.0.len() >= LONGEST {
            return false;
        }
        let more = bytes.len().min(LONGEST - self.0.len());
        self.0.extend_from_slice(&bytes[..more]);
        BEGINNINGS.iter().any(|beginning| self.0.starts_with(beginning))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coded(lines: &[(&str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        is_coded(&headers)
    }

    #[test]
    fn every_coding_but_none_is_found_wherever_it_is_said() {
        for plain in [
            &[][..],
            &[("content-encoding", "identity")],
            &[("content-encoding", "")],
            &[("transfer-encoding", "chunked")],
            &[("Content-Encoding", "Identity"), ("transfer-encoding", "Chunked")],
        ] {
            assert!(!coded(plain), "{plain:?}");
        }
        for lines in [
            &[("content-encoding", "gzip")][..],
            &[("content-encoding", "identity, br")],
            &[("content-encoding", "identity"), ("content-encoding", "gzip")],
            &[("transfer-encoding", "gzip, chunked")],
            &[("transfer-encoding", "chunked"), ("transfer-encoding", "deflate")],
        ] {
            assert!(coded(lines), "{lines:?}");
        }
    }

    #[test]
    fn a_compressed_beginning_is_seen_over_chunks() {
        let mut beginning = Beginning::default();
        assert!(
            !beginning.is_compressed(b"\x1f") && !beginning.is_compressed(b"\x8b") && beginning.is_compressed(b"\x08x")
        );
        let mut beginning = Beginning::default();
        assert!(!beginning.is_compressed(b"{\"a\":1}") && !beginning.is_compressed(b"\x1f\x8b\x08"));
    }
}

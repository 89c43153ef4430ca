//! The body of a call of the tracking API, as it was before a library compressed it.
use crate::input;
use crate::problem::Refused;
use crate::server::State;
use axum::body::Body;
use axum::extract::FromRequest;
use axum::http::{HeaderMap, Request, StatusCode, header};
use caravan_model::{Code, Problem};
use caravan_store::Store;
use flate2::read::MultiGzDecoder;
use std::io::Read as _;
use std::sync::Arc;

/// A body: plain, or unpacked.
pub(super) struct Sent(pub Vec<u8>);

impl<S: Store> FromRequest<Arc<State<S>>> for Sent {
    type Rejection = Refused;

    async fn from_request(request: Request<Body>, state: &Arc<State<S>>) -> Result<Self, Refused> {
        let packed = is_packed(request.headers())?;
        let body = input::body(request, state).await?;
        Ok(Sent(if packed { unpacked(&body, state.options.most_bytes)? } else { body.to_vec() }))
    }
}

/// Whether a body comes packed by gzip, the only coding that the libraries use.
fn is_packed(headers: &HeaderMap) -> Result<bool, Refused> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let coding = match (codings.next(), codings.next()) {
        (None, _) => return Ok(false),
        (Some(coding), None) => coding.to_str().unwrap_or_default().trim().to_ascii_lowercase(),
        (Some(_), Some(_)) => String::new(),
    };
    match coding.as_str() {
        "gzip" | "x-gzip" => Ok(true),
        "identity" => Ok(false),
        _ => {
            let problem = Problem::new(Code::BadValue, "the body comes in a coding that is not taken")
                .at_path("Content-Encoding")
                .cure("send it plain, or packed once by gzip");
            Err(Refused::bad(problem).with(StatusCode::UNSUPPORTED_MEDIA_TYPE))
        }
    }
}

/// Unpacks a body; of one that would grow beyond the bound nothing more is unpacked than the bound.
///
/// # Errors
/// 413 for one that would grow beyond it, 400 for one that cannot be unpacked.
pub fn unpacked(body: &[u8], most: usize) -> Result<Vec<u8>, Refused> {
    let mut plain = Vec::new();
    let read = MultiGzDecoder::new(body).take(most as u64 + 1).read_to_end(&mut plain);
    if plain.len() > most {
        let problem = Problem::new(Code::BadValue, format!("the request has more than {most} bytes once unpacked"));
        return Err(Refused::bad(problem.cure("send fewer messages at a time")).with(StatusCode::PAYLOAD_TOO_LARGE));
    }
    read.map_err(|_| {
        Refused::bad(
            Problem::new(Code::BadSyntax, "the body says that it is packed by gzip, and cannot be unpacked")
                .cure("send it whole, or without Content-Encoding"),
        )
    })?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn a_body_is_unpacked_up_to_its_bound_and_a_bomb_no_further() {
        let most = 64 << 10;
        assert_eq!(unpacked(&packed(&vec![b'a'; most]), most).expect("as much as may be").len(), most);
        let bomb = packed(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100 << 10, "{} bytes unpack to 64 MiB", bomb.len());
        let refused = unpacked(&bomb, most).unwrap_err();
        assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
        // Two packed pieces behind one another are one text.
        assert_eq!(unpacked(&[packed(b"{}"), packed(b" ")].concat(), most).expect("a text"), b"{} ");
        for broken in [&b"{}"[..], b"", &packed(b"{}")[..12]] {
            assert_eq!(unpacked(broken, most).unwrap_err().status, StatusCode::BAD_REQUEST);
        }
    }

    #[test]
    fn gzip_alone_is_taken() {
        let of = |codings: &[&'static str]| {
            let mut headers = HeaderMap::new();
            codings.iter().for_each(|coding| {
                headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
            });
            is_packed(&headers)
        };
        assert!(of(&["GZip"]).expect("known") && of(&["x-gzip"]).expect("known"));
        assert!(!of(&[]).expect("plain") && !of(&["identity"]).expect("plain"));
        for other in [&["br"][..], &["gzip, gzip"], &["gzip", "gzip"], &["deflate"]] {
            assert_eq!(of(other).unwrap_err().status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
    }
}

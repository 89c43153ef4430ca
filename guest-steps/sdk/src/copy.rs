//! Appending short values to a buffer by words.
//!
//! In WebAssembly a `memcpy` becomes `memory.copy`, a call into the host's runtime that costs more than the 64 bytes of
//! a digest are worth. Values are therefore copied by 16-byte words; the last words of a value overlap.
#![allow(unsafe_code)]

/// Above this many bytes a bulk copy wins.
#[cfg(target_family = "wasm")]
const BULK: usize = 1024;

/// Appends the three values one after the other, growing the buffer where it lacks room. Three calls and no loop over
/// an array: each then folds to what its value's length needs, where that is known.
#[inline(always)]
pub(crate) fn append(buffer: &mut Vec<u8>, values: [&[u8]; 3]) {
    let [before, value, after] = values;
    buffer.reserve(before.len() + value.len() + after.len());
    let end = buffer.len();
    // SAFETY: `reserve` made room for all three behind the buffer's length, and all of it is written before the length
    // says so. A shared slice cannot overlap a buffer that is borrowed mutably.
    unsafe {
        let to = buffer.as_mut_ptr().add(end);
        words(before.as_ptr(), to, before.len());
        let to = to.add(before.len());
        words(value.as_ptr(), to, value.len());
        let to = to.add(value.len());
        words(after.as_ptr(), to, after.len());
        buffer.set_len(end + before.len() + value.len() + after.len());
    }
}

/// Copies `count` bytes.
///
/// # Safety
/// `from` is readable and `to` is writable for `count` bytes, and the two do not overlap.
#[cfg(not(target_family = "wasm"))]
#[inline(always)]
unsafe fn words(from: *const u8, to: *mut u8, count: usize) {
    // SAFETY: as the caller promised.
    unsafe { std::ptr::copy_nonoverlapping(from, to, count) }
}

/// Copies `count` bytes.
///
/// # Safety
/// `from` is readable and `to` is writable for `count` bytes, and the two do not overlap.
#[cfg(target_family = "wasm")]
#[inline(always)]
unsafe fn words(mut from: *const u8, mut to: *mut u8, count: usize) {
    // SAFETY: every access lies within `count` bytes of its start, because the blocks go down with `left`, and each
    // overlapping pair of ends needs at least the width that its branch has checked.
    unsafe {
        if count == 64 {
            // A SHA-256 digest in hexadecimal.
            let block: (u128x, u128x, u128x, u128x) =
                (load(from), load(from.add(16)), load(from.add(32)), load(from.add(48)));
            store(to, block.0);
            store(to.add(16), block.1);
            store(to.add(32), block.2);
            store(to.add(48), block.3);
        } else if count >= 16 {
            if count > BULK {
                std::ptr::copy_nonoverlapping(from, to, count);
                return;
            }
            let last = (from.add(count - 16), to.add(count - 16));
            let mut left = count;
            while left >= 64 {
                let block: (u128x, u128x, u128x, u128x) =
                    (load(from), load(from.add(16)), load(from.add(32)), load(from.add(48)));
                store(to, block.0);
                store(to.add(16), block.1);
                store(to.add(32), block.2);
                store(to.add(48), block.3);
                (from, to, left) = (from.add(64), to.add(64), left - 64);
            }
            if left >= 32 {
                let block: (u128x, u128x) = (load(from), load(from.add(16)));
                store(to, block.0);
                store(to.add(16), block.1);
                (from, to, left) = (from.add(32), to.add(32), left - 32);
            }
            if left >= 16 {
                store::<u128x>(to, load(from));
                left -= 16;
            }
            if left > 0 {
                store::<u128x>(last.1, load(last.0));
            }
        } else if count >= 8 {
            ends::<u64>(from, to, count);
        } else if count >= 4 {
            ends::<u32>(from, to, count);
        } else if count >= 2 {
            ends::<u16>(from, to, count);
        } else if count == 1 {
            to.write(from.read());
        }
    }
}

/// Sixteen bytes in a register.
#[cfg(all(target_family = "wasm", target_feature = "simd128"))]
#[allow(non_camel_case_types)]
type u128x = std::arch::wasm32::v128;
/// Sixteen bytes.
#[cfg(all(target_family = "wasm", not(target_feature = "simd128")))]
#[allow(non_camel_case_types)]
type u128x = (u64, u64);

/// Copies the first and the last `T` of `count` bytes.
///
/// # Safety
/// As for `words`; `count` is at least the size of `T` and at most twice that.
#[cfg(target_family = "wasm")]
#[inline(always)]
unsafe fn ends<T: Copy>(from: *const u8, to: *mut u8, count: usize) {
    let tail = count - size_of::<T>();
    // SAFETY: as the caller promised.
    unsafe {
        let (first, second): (T, T) = (load(from), load(from.add(tail)));
        store(to, first);
        store(to.add(tail), second);
    }
}

/// # Safety
/// `from` is readable for the size of `T`.
#[cfg(target_family = "wasm")]
#[inline(always)]
unsafe fn load<T: Copy>(from: *const u8) -> T {
    // SAFETY: as the caller promised; alignment is not required.
    unsafe { from.cast::<T>().read_unaligned() }
}

/// # Safety
/// `to` is writable for the size of `T`.
#[cfg(target_family = "wasm")]
#[inline(always)]
unsafe fn store<T: Copy>(to: *mut u8, value: T) {
    // SAFETY: as the caller promised; alignment is not required.
    unsafe { to.cast::<T>().write_unaligned(value) }
}

#[cfg(test)]
mod tests {
    use super::append;

    #[test]
    fn values_of_every_length_are_appended_whole() {
        let source: Vec<u8> = (0..=255).cycle().take(3000).collect();
        for length in (0..300).chain([1023, 1024, 1025, 3000]) {
            let mut buffer = b"before".to_vec();
            append(&mut buffer, [&source[..length], b"", b"after"]);
            assert_eq!(buffer, [b"before", &source[..length], b"after"].concat());
        }
    }
}

//! Bytes for the eye: plain hexadecimal, and the dump that everybody knows from `hexdump -C`.
//!
//! Invariant: what is shown can be told from what it is not; text that could be mistaken for bytes is quoted.

use crate::cli::output::counted;

/// How many bytes of a key or a header are shown.
const SHOWN_BYTES: usize = 64;

/// Two digits a byte.
pub(in crate::cli) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Text in quotes where they are readable text, else in hexadecimal; of many only the first.
pub(in crate::cli) fn text_or_hex(bytes: &[u8]) -> String {
    let quoted = str::from_utf8(bytes).ok().filter(|text| !text.contains(char::is_control));
    let (shown, kept) = match quoted {
        Some(text) => {
            let end = text.char_indices().map(|(at, _)| at).find(|at| *at >= SHOWN_BYTES).unwrap_or(text.len());
            (format!("\"{}\"", &text[..end]), end)
        }
        None => {
            let end = bytes.len().min(SHOWN_BYTES);
            (spaced(&bytes[..end]), end)
        }
    };
    match bytes.len() - kept {
        0 if quoted.is_some() => shown,
        0 => format!("{shown} ({})", counted(bytes.len() as u64, "byte", "bytes")),
        more => format!("{shown} … and {}", counted(more as u64, "more byte", "more bytes")),
    }
}

/// Lines of offset, sixteen bytes and the same as text.
pub(in crate::cli) fn dump(bytes: &[u8]) -> impl Iterator<Item = String> {
    bytes.chunks(16).enumerate().map(|(line, bytes)| {
        let (left, right) = bytes.split_at(bytes.len().min(8));
        let shown = |byte: &u8| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' };
        let text: String = bytes.iter().map(shown).collect();
        format!("{:06x}  {:23}  {:23}  {text}", line * 16, spaced(left), spaced(right))
    })
}

fn spaced(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_lines_up_to_its_last_line() {
        let lines: Vec<String> = dump(b"\0ord-1 is here\xff~ab").collect();
        assert_eq!(
            lines,
            [
                "000000  00 6f 72 64 2d 31 20 69  73 20 68 65 72 65 ff 7e  .ord-1 is here.~",
                "000010  61 62                                             ab"
            ]
        );
        assert_eq!(dump(b"").count(), 0);
    }

    #[test]
    fn text_is_text_and_everything_else_is_bytes() {
        assert_eq!(text_or_hex("ü 1".as_bytes()), "\"ü 1\"");
        assert_eq!(text_or_hex(b"a\n"), "61 0a (2 bytes)");
        assert_eq!(text_or_hex(b"\xff"), "ff (1 byte)");
        assert_eq!(hex(b"\x00\xff"), "00ff");
    }

    #[test]
    fn of_a_long_value_the_rest_is_counted() {
        let long = text_or_hex("ü".repeat(100).as_bytes());
        assert_eq!(long, format!("\"{}\" … and 136 more bytes", "ü".repeat(32)));
        assert!(text_or_hex(&[0; 65]).ends_with("00 00 … and 1 more byte"));
    }
}

//! Reading the file that holds a secret, as Docker and Kubernetes mount them.
//!
//! Invariant: a message quotes the path and never the content.

use std::fs::File;
use std::io::Read;

/// No secret is longer; a larger file is not one.
const MAX_BYTES: u64 = 64 << 10;

/// Reads a secret and cuts the line end that editors add.
///
/// # Errors
///
/// Why it cannot be used, and what to do.
pub fn read(path: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("it cannot be read ({error}): name a file that this user may read"))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(format!("it is larger than {MAX_BYTES} bytes: name a file that holds the secret alone"));
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8: write the secret as text".to_owned())?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err("it is empty: write the secret into it".to_owned());
    }
    Ok(secret.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_of(content: &[u8]) -> Result<String, String> {
        let path = std::env::temp_dir().join(format!("orderstream-secret-{}", uuid::Uuid::new_v4()));
        std::fs::write(&path, content).unwrap();
        let result = read(path.to_str().unwrap());
        std::fs::remove_file(&path).unwrap();
        result
    }

    #[test]
    fn the_line_end_is_cut_and_nothing_else() {
        assert_eq!(read_of(b" hunter2 \r\n"), Ok(" hunter2 ".to_owned()));
        assert_eq!(read_of(b"hunter2"), Ok("hunter2".to_owned()));
    }

    #[test]
    fn a_file_that_holds_no_secret_is_refused_without_its_content() {
        assert!(read_of(b"\n").unwrap_err().contains("empty"));
        assert!(read_of(b"\xff").unwrap_err().contains("UTF-8"));
        let long = read_of(&[b'x'; 70_000]).unwrap_err();
        assert!(long.contains("larger") && !long.contains("xxx"));
        assert!(read("/nonexistent/secret").unwrap_err().contains("cannot be read"));
    }
}

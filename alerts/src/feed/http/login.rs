//! Says who we are, with what is in files now.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;

use crate::feed::error::ScrapeError;
use crate::feed::settings::{Login, Secret};

/// No secret is longer, in bytes.
const LONGEST: u64 = 64 << 10;

/// The header `Authorization`, if one is to be sent.
pub(super) async fn header(login: &Login) -> Result<Option<HeaderValue>, ScrapeError> {
    let (text, secret) = match login {
        Login::None => return Ok(None),
        Login::Basic { name, password } => {
            let plain = format!("{name}:{}", read(password).await?);
            (format!("Basic {}", STANDARD.encode(plain)), password)
        }
        Login::Token { kind, token } => (format!("{kind} {}", read(token).await?), token),
    };
    let mut value = HeaderValue::from_str(&text).map_err(|_| {
        let path = match secret {
            Secret::File(path) => path.clone(),
            Secret::Inline(_) => PathBuf::from("the secret in the configuration"),
        };
        let reason = "it has characters that no header can hold".to_owned();
        ScrapeError::File { path, reason }
    })?;
    value.set_sensitive(true);
    Ok(Some(value))
}

async fn read(secret: &Secret) -> Result<String, ScrapeError> {
    match secret {
        Secret::Inline(text) => Ok(text.clone()),
        Secret::File(path) => {
            let bytes = read_file(path, LONGEST).await?;
            let text = String::from_utf8(bytes).map_err(|_| ScrapeError::File {
                path: path.clone(),
                reason: "it is not UTF-8".to_owned(),
            })?;
            Ok(text.trim().to_owned())
        }
    }
}

/// Reads a file of bounded size off the thread that serves all: it may lie where reading hangs.
pub(super) async fn read_file(path: &Path, longest: u64) -> Result<Vec<u8>, ScrapeError> {
    let error = |reason: String| ScrapeError::File {
        path: path.to_owned(),
        reason,
    };
    let owned = path.to_owned();
    let read = move || {
        use std::io::Read as _;
        let mut bytes = Vec::new();
        std::fs::File::open(owned)?
            .take(longest + 1)
            .read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    let bytes = tokio::task::spawn_blocking(read)
        .await
        .map_err(|failed| error(failed.to_string()))?
        .map_err(|failed| error(failed.to_string()))?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= longest => Ok(bytes),
        _ => Err(error(format!("it has more than {longest} bytes"))),
    }
}

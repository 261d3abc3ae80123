//! `host:port` taken apart, by the rules of Go's net.SplitHostPort.

use std::net::IpAddr;

/// The host, without port and brackets; what is no `host:port` as it is.
pub fn strip_port(text: &str) -> String {
    split(text).map_or(text, |(host, _)| host).to_owned()
}

/// The host's first part, with its port; addresses as they are.
pub fn strip_domain(text: &str) -> String {
    let (host, port) = split(text).unwrap_or((text, ""));
    // Go accepts an address with a zone here no more than Rust does.
    if host.parse::<IpAddr>().is_ok() {
        return text.to_owned();
    }
    let name = host.split('.').next().unwrap_or_default();
    match port {
        "" => name.to_owned(),
        port if name.contains(':') => format!("[{name}]:{port}"),
        port => format!("{name}:{port}"),
    }
}

fn split(text: &str) -> Option<(&str, &str)> {
    let colon = text.rfind(':')?;
    let (before, port) = (&text[..colon], &text[colon + 1..]);
    let host = match text.strip_prefix('[') {
        Some(inside) => {
            let (host, after) = inside.split_once(']')?;
            (after.len() == port.len() + 1).then_some(host)?
        }
        None if before.contains(':') => return None,
        None => before,
    };
    let stray = |text: &str| text.contains(['[', ']']);
    (!stray(host) && !stray(port)).then_some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_go_takes_them_apart() {
        for (text, host, short) in [
            ("a.example.com:9100", "a.example.com", "a:9100"),
            ("a.example.com", "a.example.com", "a"),
            ("[::1]:80", "::1", "[::1]:80"),
            ("::1", "::1", "::1"),
            ("10.0.0.1:80", "10.0.0.1", "10.0.0.1:80"),
            ("10.0.0.1", "10.0.0.1", "10.0.0.1"),
            ("a:b:c", "a:b:c", "a:b:c"),
            ("a.b:", "a.b", "a"),
            ("[a]:1]", "[a]:1]", "[a]:1]"),
            ("", "", ""),
        ] {
            assert_eq!(strip_port(text), host, "{text}");
            assert_eq!(strip_domain(text), short, "{text}");
        }
    }
}

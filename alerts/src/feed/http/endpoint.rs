//! Where to ask, and for what.

use hyper::Uri;
use hyper::http::uri::Scheme as UriScheme;

use crate::feed::settings::Scheme;

/// An address, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::feed) struct Endpoint {
    pub scheme: Scheme,
    /// A name or an address, without the brackets of IPv6.
    pub host: String,
    pub port: u16,
    /// Host and port as they are written.
    pub authority: String,
    /// From `/` on, with the query.
    pub path: String,
}

impl Endpoint {
    /// Reads an absolute address; what is wrong with it otherwise.
    pub fn parse(url: &str) -> Result<Self, String> {
        let uri: Uri = url
            .parse()
            .map_err(|error: hyper::http::uri::InvalidUri| error.to_string())?;
        let scheme = match uri.scheme() {
            Some(scheme) if *scheme == UriScheme::HTTP => Scheme::Http,
            Some(scheme) if *scheme == UriScheme::HTTPS => Scheme::Https,
            _ => return Err("its scheme is neither http nor https".to_owned()),
        };
        let authority = uri.authority().ok_or("it names no host")?;
        if authority.as_str().contains('@') {
            return Err("it has a user name; see basic_auth".to_owned());
        }
        let host = authority.host();
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        let named = authority.as_str().rsplit_once(':');
        let port = match authority.port_u16() {
            Some(port) => port,
            // After the brackets of IPv6, or anywhere in a name, a colon is followed by a port.
            None if named.is_some_and(|(_, port)| !port.ends_with(']')) => {
                return Err("its port is none".to_owned());
            }
            None => scheme.port(),
        };
        if host.is_empty() {
            return Err("it names no host".to_owned());
        }
        Ok(Self {
            scheme,
            host: host.to_owned(),
            port,
            authority: authority.as_str().to_owned(),
            path: uri
                .path_and_query()
                .map_or_else(|| "/".to_owned(), |path| path.as_str().to_owned()),
        })
    }

    /// Where a `Location` of this address's answer leads to.
    pub fn follow(&self, location: &str) -> Result<Self, String> {
        let location = location.split('#').next().unwrap_or_default();
        if location.contains("://") && !location.starts_with('/') {
            return Self::parse(location);
        }
        let scheme = self.scheme.as_str();
        if let Some(rest) = location.strip_prefix("//") {
            return Self::parse(&format!("{scheme}://{rest}"));
        }
        let path = match location {
            absolute if absolute.starts_with('/') => absolute.to_owned(),
            query if query.starts_with('?') || query.is_empty() => {
                let path = self.path.split('?').next().unwrap_or_default();
                format!("{path}{query}")
            }
            relative => {
                let path = self.path.split('?').next().unwrap_or_default();
                let folder = path.rfind('/').map_or("/", |at| &path[..=at]);
                format!("{folder}{relative}")
            }
        };
        Self::parse(&format!("{scheme}://{}{path}", self.authority))
    }

    /// Whether both are the same server, to which the same secrets may be told.
    pub fn same_server(&self, other: &Self) -> bool {
        (self.scheme, &self.host, self.port) == (other.scheme, &other.host, other.port)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn taken_apart() {
        let endpoint = Endpoint::parse("https://[::1]:9100/metrics?a=b").unwrap();
        assert_eq!((endpoint.host.as_str(), endpoint.port), ("::1", 9100));
        assert_eq!(endpoint.path, "/metrics?a=b");
        assert_eq!(Endpoint::parse("https://h").unwrap().port, 443);
        assert_eq!(Endpoint::parse("http://[::1]").unwrap().port, 80);
        for bad in [
            "ftp://h",
            "h:1",
            "http://u@h/",
            "http:///x",
            "http://h:99999/",
            "http://h:/",
        ] {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn redirects_lead_where_they_say() {
        let from = Endpoint::parse("http://h:1/a/b?c").unwrap();
        for (location, to) in [
            ("/x?y", "http://h:1/x?y"),
            ("x", "http://h:1/a/x"),
            ("?z", "http://h:1/a/b?z"),
            ("https://o/p#q", "https://o/p"),
            ("//o:2/p", "http://o:2/p"),
        ] {
            assert_eq!(from.follow(location), Endpoint::parse(to), "{location}");
        }
        let to = |location| from.follow(location).unwrap();
        assert!(from.same_server(&to("/x")));
        assert!(!from.same_server(&to("https://h:1/")));
        assert!(!from.same_server(&to("http://h:2/")));
    }

    proptest! {
        #[test]
        fn nothing_panics(location in "(?s)([a-z:/?#\\[\\]@.]|.){0,20}") {
            let from = Endpoint::parse("http://h:1/a/b").unwrap();
            let _ = (from.follow(&location), Endpoint::parse(&location));
        }
    }
}

//! What a certificate says of itself: whom it names, and until when it holds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::SystemTime;

use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// A certificate's subject alternative names as texts: DNS names, e-mail addresses, IP addresses, URIs.
/// `None` when the bytes are no certificate.
pub fn names(der: &[u8]) -> Option<Vec<String>> {
    let certificate = CertificateInner::<Raw>::from_der(der).ok()?;
    let extension = certificate
        .tbs_certificate()
        .get_extension::<SubjectAltName>()
        .ok()?;
    let Some((_, SubjectAltName(names))) = extension else {
        return Some(Vec::new());
    };
    Some(names.iter().filter_map(text).collect())
}

fn text(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(text)
        | GeneralName::Rfc822Name(text)
        | GeneralName::UniformResourceIdentifier(text) => Some(text.to_string()),
        GeneralName::IpAddress(bytes) => {
            let bytes = bytes.as_bytes();
            let address = match (
                <[u8; 4]>::try_from(bytes).ok(),
                <[u8; 16]>::try_from(bytes).ok(),
            ) {
                (Some(four), _) => IpAddr::V4(Ipv4Addr::from(four)),
                (_, Some(sixteen)) => IpAddr::V6(Ipv6Addr::from(sixteen)).to_canonical(),
                _ => return None,
            };
            Some(address.to_string())
        }
        _ => None,
    }
}

/// An entry of `client_allowed_sans` as [`names`] would write it.
pub fn normal(entry: &str) -> String {
    entry.parse::<IpAddr>().map_or_else(
        |_| entry.to_owned(),
        |address| address.to_canonical().to_string(),
    )
}

/// When a certificate begins and ceases to hold. `None` when the bytes are no certificate.
pub fn validity(der: &[u8]) -> Option<(SystemTime, SystemTime)> {
    let certificate = CertificateInner::<Raw>::from_der(der).ok()?;
    let validity = certificate.tbs_certificate().validity();
    Some((
        SystemTime::UNIX_EPOCH.checked_add(validity.not_before.to_unix_duration())?,
        SystemTime::UNIX_EPOCH.checked_add(validity.not_after.to_unix_duration())?,
    ))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    #[test]
    fn every_kind_of_name() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["scraper.example".to_owned()]).unwrap();
        params.subject_alt_names.extend([
            SanType::Rfc822Name("ops@example.org".try_into().unwrap()),
            SanType::URI("spiffe://example.org/scraper".try_into().unwrap()),
            SanType::IpAddress("10.0.0.7".parse().unwrap()),
            SanType::IpAddress("2001:db8:0:0::1".parse().unwrap()),
            SanType::IpAddress("::ffff:10.0.0.8".parse().unwrap()),
        ]);
        let certificate = params.self_signed(&key).unwrap();
        assert_eq!(
            names(certificate.der()).unwrap(),
            [
                "scraper.example",
                "ops@example.org",
                "spiffe://example.org/scraper",
                "10.0.0.7",
                "2001:db8::1",
                "10.0.0.8"
            ]
        );
        for (entry, normal_form) in [
            ("2001:0DB8::0001", "2001:db8::1"),
            ("::ffff:10.0.0.8", "10.0.0.8"),
            ("Scraper.example", "Scraper.example"),
        ] {
            assert_eq!(normal(entry), normal_form);
        }
        let (begins, ends) = validity(certificate.der()).unwrap();
        assert!(
            begins < ends && ends > SystemTime::UNIX_EPOCH + Duration::from_secs(4_000_000_000)
        );
    }

    #[test]
    fn none_is_none_and_no_certificate_is_not_none() {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        assert_eq!(names(certificate.der()), Some(Vec::new()));
        assert_eq!(names(b"no certificate"), None);
        assert_eq!(validity(b""), None);
    }

    proptest! {
        #[test]
        fn no_bytes_are_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = (names(&bytes), validity(&bytes));
        }

        #[test]
        fn nor_is_a_certificate_with_a_byte_changed(at in 0_usize..600, to in any::<u8>()) {
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new(vec!["a.example".to_owned()]).unwrap().self_signed(&key).unwrap();
            let mut bytes = certificate.der().to_vec();
            let at = at % bytes.len();
            bytes[at] = to;
            let _ = (names(&bytes), validity(&bytes));
        }
    }
}

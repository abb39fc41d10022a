//! Which proxy the environment asks for, and for which hosts none.
//!
//! Reads the usual variables, lower case first: `http_proxy`, `https_proxy`,
//! `all_proxy` and `no_proxy`. Loopback hosts are never proxied. It must not know how a connection is made.

use std::net::IpAddr;

use ureq::http::Uri;

use crate::error::StoreError;

/// The proxies of this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies {
    /// For `http:` URLs.
    pub(crate) http: Option<ureq::Proxy>,
    /// For `https:` URLs.
    pub(crate) https: Option<ureq::Proxy>,
    except: Vec<Exception>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Exception {
    All,
    /// A host and everything below it, perhaps on one port only.
    Host(String, Option<u16>),
    /// An address and how many of its leading bits count.
    Network(IpAddr, u8),
}

impl Proxies {
    /// Reads the variables through `variable`, which gives `None` for unset ones.
    pub(crate) fn from_variables(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, StoreError> {
        let any_case = |name: &str| {
            [name.to_owned(), name.to_ascii_uppercase()].into_iter().find_map(|name| {
                let value = variable(&name)?;
                (!value.trim().is_empty()).then(|| (name, value.trim().to_owned()))
            })
        };
        let proxy = |name: &str| match any_case(name).or_else(|| any_case("all_proxy")) {
            Some((name, value)) => parse(&value)
                .map(Some)
                .map_err(|reason| StoreError::BadProxy { variable: name, reason }),
            None => Ok(None),
        };
        let except = any_case("no_proxy").map(|(_, value)| exceptions(&value));
        Ok(Self {
            http: proxy("http_proxy")?,
            https: proxy("https_proxy")?,
            except: except.unwrap_or_default(),
        })
    }

    /// The proxy that a request for `uri` goes through.
    pub(crate) fn for_uri(&self, uri: &Uri) -> Option<&ureq::Proxy> {
        let https = uri.scheme_str() == Some("https");
        let proxy = if https { self.https.as_ref() } else { self.http.as_ref() }?;
        let host = uri.host()?.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        let excepted = self.except.iter().any(|exception| exception.covers(&host, port));
        // A proxy is never reached through a proxy.
        let itself = [&self.http, &self.https].into_iter().flatten().any(|p| p.uri() == uri);
        (!excepted && !itself && !is_loopback(&host)).then_some(proxy)
    }
}

/// Another machine's idea of this machine is never what was meant.
fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn parse(value: &str) -> Result<ureq::Proxy, &'static str> {
    match ureq::Proxy::new(value) {
        Ok(proxy) if matches!(proxy.uri().scheme_str(), Some("http" | "https")) => Ok(proxy),
        Ok(_) => Err("only http and https proxies can be used"),
        Err(_) => Err("it is not a URL such as http://proxy.example.org:3128"),
    }
}

fn exceptions(value: &str) -> Vec<Exception> {
    value
        .split([',', ' ', '\t'])
        .filter(|entry| !entry.is_empty())
        .map(|entry| {
            if entry == "*" {
                return Exception::All;
            }
            if let Some((address, bits)) = entry.split_once('/')
                && let (Ok(address), Ok(bits)) = (address.parse(), bits.parse())
            {
                return Exception::Network(address, bits);
            }
            if let Ok(address) = entry.trim_matches(['[', ']']).parse::<IpAddr>() {
                return Exception::Network(address, if address.is_ipv4() { 32 } else { 128 });
            }
            let (host, port) = match entry.rsplit_once(':') {
                Some((host, port)) if port.parse::<u16>().is_ok() => (host, port.parse().ok()),
                _ => (entry, None),
            };
            let host = host.trim_start_matches('*').trim_start_matches('.');
            Exception::Host(host.trim_matches(['[', ']']).to_ascii_lowercase(), port)
        })
        .collect()
}

impl Exception {
    fn covers(&self, host: &str, port: u16) -> bool {
        match self {
            Self::All => true,
            Self::Host(name, only) => {
                let below = host.strip_suffix(name.as_str());
                !name.is_empty()
                    && only.is_none_or(|only| only == port)
                    && below.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            Self::Network(network, bits) => match (network, host.parse()) {
                (IpAddr::V4(a), Ok(IpAddr::V4(b))) => {
                    let bits = u32::from(*bits).min(32);
                    (a.to_bits() ^ b.to_bits()).checked_shr(32 - bits).unwrap_or(0) == 0
                }
                (IpAddr::V6(a), Ok(IpAddr::V6(b))) => {
                    let bits = u32::from(*bits).min(128);
                    (a.to_bits() ^ b.to_bits()).checked_shr(128 - bits).unwrap_or(0) == 0
                }
                _ => false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(set: &[(&str, &str)]) -> Proxies {
        let find = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).into());
        Proxies::from_variables(find).unwrap()
    }

    fn goes(proxies: &Proxies, url: &str) -> String {
        let uri: Uri = url.parse().unwrap();
        proxies.for_uri(&uri).map_or("direct".into(), |p| format!("{}:{}", p.host(), p.port()))
    }

    #[test]
    fn each_scheme_has_its_proxy_and_lower_case_wins() {
        let p = proxies(&[
            ("http_proxy", "http://one:1"),
            ("HTTP_PROXY", "http://two:2"),
            ("HTTPS_PROXY", "three:3"),
            ("all_proxy", "http://four:4"),
        ]);
        assert_eq!(goes(&p, "http://example.org/x"), "one:1");
        assert_eq!(goes(&p, "https://example.org/x"), "three:3");
        assert_eq!(goes(&p, "http://one:1"), "direct");
        let p = proxies(&[("ALL_PROXY", "http://four:4"), ("http_proxy", " ")]);
        assert_eq!(goes(&p, "http://example.org/"), "four:4");
        assert_eq!(goes(&p, "https://example.org/"), "four:4");
        assert_eq!(goes(&proxies(&[]), "https://example.org/"), "direct");
    }

    #[test]
    fn no_proxy_names_hosts_domains_ports_and_networks() {
        let list = "intra, .example.org,*.example.net 10.0.0.0/8,[fe80::1],host:81,fd00::/8,";
        let p = proxies(&[("http_proxy", "http://p:1"), ("no_proxy", list)]);
        for (url, proxied) in [
            ("http://intra/", false),
            ("http://INTRA:8080/", false),
            ("http://notintra/", true),
            ("http://localhost/", false),
            ("http://127.0.0.9:80/", false),
            ("http://[::1]:80/", false),
            ("http://example.org/", false),
            ("http://a.b.example.org/", false),
            ("http://badexample.org/", true),
            ("http://x.example.net/", false),
            ("http://10.1.2.3/", false),
            ("http://11.1.2.3/", true),
            ("http://[fe80::1]:80/", false),
            ("http://[fe80::2]:80/", true),
            ("http://[fd00::5]/", false),
            ("http://[fe00::5]/", true),
            ("http://host:81/", false),
            ("http://host/", true),
        ] {
            assert_eq!(goes(&p, url) != "direct", proxied, "{url}");
        }
        let p = proxies(&[("http_proxy", "http://p:1"), ("NO_PROXY", "*")]);
        assert_eq!(goes(&p, "http://example.org/"), "direct");
        let p = proxies(&[("http_proxy", "http://p:1"), ("NO_PROXY", "0.0.0.0/0")]);
        assert_eq!(goes(&p, "http://1.2.3.4/"), "direct");
    }

    #[test]
    fn a_proxy_that_cannot_be_used_is_named_without_its_password() {
        for value in ["socks5://u:secret@h:1", "http://u:secret@ h", "ftp://u:secret@h"] {
            let find = |name: &str| (name == "https_proxy").then(|| value.to_owned());
            let text = Proxies::from_variables(find).unwrap_err().to_string();
            assert!(text.contains("https_proxy") && !text.contains("secret"), "{text}");
        }
    }
}

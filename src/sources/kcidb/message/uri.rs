//! Whether a string is a URI, by the grammar of RFC 3986, appendix A.

use std::net::Ipv6Addr;

/// Whether the text is a URI: it has a scheme, and only characters that the grammar allows.
pub(super) fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let mut letters = scheme.bytes();
    let is_scheme = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    if !is_scheme {
        return false;
    }
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (hierarchy, query) = rest.split_once('?').unwrap_or((rest, ""));
    let is_path = match hierarchy.strip_prefix("//") {
        Some(after) => {
            let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
            is_authority(authority) && only(path, b"/:@")
        }
        None => only(hierarchy, b"/:@"),
    };
    is_path && only(query, b"/?:@") && only(fragment, b"/?:@")
}

fn is_authority(text: &str) -> bool {
    let (user, host) = text.rsplit_once('@').map_or(("", text), |(user, host)| (user, host));
    if !only(user, b":") {
        return false;
    }
    if let Some(literal) = host.strip_prefix('[') {
        let Some((address, port)) = literal.split_once(']') else { return false };
        return is_port(port.strip_prefix(':').unwrap_or(port), !port.is_empty() && !port.starts_with(':'))
            && is_address(address);
    }
    let (name, port) = host.split_once(':').unwrap_or((host, ""));
    is_port(port, false) && only(name, b"")
}

fn is_port(text: &str, wrong: bool) -> bool {
    !wrong && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_address(text: &str) -> bool {
    match text.strip_prefix(['v', 'V']) {
        Some(future) => future.split_once('.').is_some_and(|(version, rest)| {
            !version.is_empty()
                && version.bytes().all(|byte| byte.is_ascii_hexdigit())
                && !rest.is_empty()
                && !rest.contains('%')
                && only(rest, b":")
        }),
        None => text.parse::<Ipv6Addr>().is_ok(),
    }
}

/// Whether the text consists of unreserved characters, `sub-delims`, percent-encoded bytes, and `more`.
fn only(text: &str, more: &[u8]) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => (0..2).all(|_| bytes.next().is_some_and(|byte| byte.is_ascii_hexdigit())),
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => {
                true
            }
            byte => byte.is_ascii_alphanumeric() || more.contains(&byte),
        };
        if !fits {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_decides() {
        for text in [
            "https://e.com/a",
            "https://",
            "http:a",
            "http:",
            "file:///x",
            "mailto:a@b",
            "urn:x:y",
            "https://u:p@e.com:8080/a;b=c,d?e=f/g?#h/?",
            "https://[::1]/x",
            "https://[::ffff:1.2.3.4]:80",
            "https://[v1.a:b]",
            "https://e.com:/",
            "a+b-c.1:%20//x",
            "https://e.com//a//",
        ] {
            assert!(is_uri(text), "{text}");
        }
        for text in [
            "",
            "e.com",
            "//e.com/a",
            "/a/b",
            "1a:b",
            ":a",
            "https://e.com/a b",
            "https://e.com/%zz",
            "https://e.com/%2",
            "https://e.com/ü",
            "https://e.com/#a#b",
            "https://a@b@c/",
            "https://[::1/x",
            "https://[::1]x/",
            "https://[v1.]",
            "https://[fe80::1%25eth0]/",
            "https://e.com:80a/",
            "https://e.com/a\\b",
            "https://e.com/\"",
            "https://e.com/[a]",
            "https://e.com/a|b",
            "https://e.com/\n",
        ] {
            assert!(!is_uri(text), "{text}");
        }
    }
}

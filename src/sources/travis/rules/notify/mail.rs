//! Notifications by mail.

use super::subject::Subject;
use crate::outbox::{Notice, PAGES_HOST};

/// The mail to one address. `host` is the host of the web UI.
#[must_use]
pub fn mail(subject: &Subject<'_>, host: &str, address: &str) -> Notice {
    let result = subject.words().0.to_lowercase();
    let thread = format!("<{}+{}+{result}@{host}>", subject.slug(), subject.build.id);
    let headers = [("Travis-CI-Repository", subject.slug()), ("Travis-CI-Result", result), ("In-Reply-To", thread)];
    Notice::Mail {
        address: address.to_owned(),
        subject: line(&headline(subject)),
        text: text(subject),
        headers: headers.map(|(name, value)| (name.to_owned(), line(&value))).to_vec(),
    }
}

/// The mail for the outbox, with a placeholder for the host of the web UI, which is not known there.
#[must_use]
pub fn outbox_mail(subject: &Subject<'_>, address: &str) -> Notice {
    mail(subject, PAGES_HOST, address)
}

fn headline(subject: &Subject<'_>) -> String {
    let by_clock = if subject.build.event_type.as_deref() == Some("cron") { "[CRON] " } else { "" };
    let (short, _) = subject.words();
    let (slug, number) = (subject.slug(), subject.number());
    format!("{by_clock}{short}: {slug}#{number} ({} - {})", subject.branch(), subject.short_sha())
}

fn text(subject: &Subject<'_>) -> String {
    let title = subject.slug();
    let commit = |member: &str| subject.commit(member).unwrap_or_default().to_owned();
    let rule = "-".repeat(title.chars().count());
    let changes = commit("compare_url");
    let changes = if changes.is_empty() { String::new() } else { format!("View the changeset: {changes}\n\n") };
    format!(
        "{title}\n{rule}\n\nBuild: #{}\nStatus: {}\n\nDuration: {}\nCommit: {} ({})\nAuthor: {}\nMessage: {}\n\n\
         {changes}View the full build log and details: {}\n",
        subject.number(),
        subject.words().0,
        subject.duration(),
        subject.short_sha(),
        subject.branch(),
        commit("author_name"),
        commit("message"),
        subject.page(),
    )
}

/// Replaces control characters: text after a line break would be another header.
fn line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Whether the text is a plain mail address: a name and a domain of the Internet, without display name or comments.
#[must_use]
pub fn is_address(text: &str) -> bool {
    let Some((name, domain)) = text.rsplit_once('@') else { return false };
    let is_label = |label: &str| {
        let fits = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        fits && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_name = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    text.len() <= 254
        && name.split('.').all(is_name)
        && domain.contains('.')
        && domain.split('.').all(is_label)
        && !domain.to_ascii_lowercase().ends_with(".local")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_plain() {
        for text in ["a@example.org", "first.last+tag@mail.example.co.uk", "o'neill@example.org"] {
            assert!(is_address(text), "{text}");
        }
        for text in [
            "",
            "a",
            "@example.org",
            "a@",
            "a@localhost",
            "a@host.local",
            "a@HOST.LOCAL",
            "a b@example.org",
            "a@example..org",
            "a@-example.org",
            "Ada <a@example.org>",
            "a@example.org\r\nBcc: b@example.org",
            "a@example.org, b@example.org",
            "a@b@example.org",
            ".a@example.org",
        ] {
            assert!(!is_address(text), "{text}");
        }
    }
}

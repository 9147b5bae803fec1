//! How details of a message are read on this thread, and how many were dropped or cut.

use std::borrow::Cow;
use std::cell::Cell;

/// How members are read on this thread.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// The first pass: any wrong value is an error.
    Strict,
    /// The second pass, outside of optional members.
    Lenient,
    /// The second pass, inside an optional member: texts are cut.
    Inside,
}

thread_local! {
    pub(super) static MODE: Cell<Mode> = const { Cell::new(Mode::Strict) };
    pub(super) static DROPPED: Cell<u64> = const { Cell::new(0) };
}

/// Runs `read` in a mode, and restores the previous mode, also after a panic.
pub(super) fn with<T>(mode: Mode, read: impl FnOnce() -> T) -> T {
    struct Before(Mode);
    impl Drop for Before {
        fn drop(&mut self) {
            MODE.set(self.0);
        }
    }
    let _before = Before(MODE.replace(mode));
    read()
}

/// The result of `read`, and how many details it has dropped or cut.
pub fn counted<T>(read: impl FnOnce() -> T) -> (T, u64) {
    let before = DROPPED.replace(0);
    let result = read();
    (result, DROPPED.replace(before))
}

/// Counts a detail that is dropped or cut.
pub fn dropped() {
    DROPPED.set(DROPPED.get() + 1);
}

/// Whether a detail of this message was dropped or cut so far.
pub fn has_dropped() -> bool {
    DROPPED.get() > 0
}

/// Whether texts are cut instead of rejected.
pub(super) fn cuts() -> bool {
    MODE.get() == Mode::Inside
}

/// A text of at most `most` bytes without NUL: unchanged, or cut, cleaned and counted.
pub fn cut(text: Cow<'_, str>, most: usize) -> Cow<'_, str> {
    let has_nul = memchr::memchr(0, text.as_bytes()).is_some();
    if text.len() <= most && !has_nul {
        return text;
    }
    dropped();
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    // Never longer than before: a space has one byte, like NUL.
    Cow::Owned(text[..end].replace('\0', " "))
}

//! Cargo, to build what is measured.

use std::process::Command;

/// Cargo, as from a shell: without what the cargo that runs this program has told it of its package. Build scripts that look at
/// that (ring's) would run again, and all that needs TLS would be compiled anew each time.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    for (name, _) in std::env::vars_os() {
        let told =
            name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
        if told {
            cargo.env_remove(name);
        }
    }
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo
}

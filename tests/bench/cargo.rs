//! Cargo, to build what is measured.

use std::process::Command;

/// Cargo as from a shell: without the variables about the package that the outer cargo has set for this program. Build
/// scripts that read them (ring's) would run again, and all crates that need TLS would be compiled anew each time.
pub fn cargo() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    for (name, _) in std::env::vars_os() {
        let from_cargo =
            name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
        if from_cargo {
            cargo.env_remove(name);
        }
    }
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo
}

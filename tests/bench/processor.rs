//! CPU time of processes, which does not depend on the load of the machine. Read from `/proc` of Linux.

use hummingbird_status::db::Store;

use crate::support::render;

/// Ticks of the processor in a second, as `/proc` counts (`getconf CLK_TCK`; 100 on every Linux of today).
const TICKS: f64 = 100.0;

/// The fields of `/proc/PID/stat` from the third on.
fn stat(pid: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = text.rsplit_once(") ").map(|(_, rest)| rest).unwrap_or_default();
    rest.split_whitespace().map(|word| word.parse().unwrap_or(0.0)).collect()
}

/// CPU seconds of this process.
pub fn own_seconds() -> f64 {
    let stat = stat("self");
    (stat[11] + stat[12]) / TICKS
}

/// A server of PostgreSQL on this machine.
pub struct Postmaster(u32);

impl Postmaster {
    /// The server of a database.
    pub async fn of(store: &Store) -> Self {
        let pid = "SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1)";
        Self(render::rows(store, pid).await[0].parse().unwrap())
    }

    /// CPU seconds of the server: its main process, its backends, and backends that have ended.
    pub fn seconds(&self) -> f64 {
        let ended: f64 = stat(&self.0.to_string())[11..15].iter().sum();
        let names =
            std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().into_string().ok());
        let processes = names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).map(|name| stat(&name));
        let children = processes.filter(|stat| stat.len() > 12 && stat[1] == f64::from(self.0));
        (ended + children.map(|stat| stat[11] + stat[12]).sum::<f64>()) / TICKS
    }
}

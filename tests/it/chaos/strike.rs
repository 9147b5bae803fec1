//! Causes each fault at its planned time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::http::Response;

use super::aws::{Behaviour, half};
use super::plan::{Fault, Planned};
use super::programs::{Counts, Ingest, Job, Kept};
use super::server::kill;
use super::world::{Participants, World};
use crate::reconcile::fake::fixed;
use crate::support::proxy::Cut;

impl World {
    /// Causes all faults, each at its time, and ends them.
    pub(super) async fn strike_all(&self, crew: &Participants, faults: &[Planned], counts: &Counts) {
        let start = Instant::now();
        let (of_database, others): (Vec<Planned>, Vec<Planned>) =
            faults.iter().copied().partition(|planned| planned.fault.is_of_database());
        tokio::join!(self.strike(crew, start, &of_database, counts), self.strike(crew, start, &others, counts));
        counts.add("milliseconds of faults", start.elapsed().as_millis() as u64);
        self.proxy.calm();
    }

    async fn strike(&self, crew: &Participants, start: Instant, faults: &[Planned], counts: &Counts) {
        for planned in faults {
            tokio::time::sleep(planned.at.saturating_sub(start.elapsed())).await;
            counts.add(&format!("fault {:?}", planned.fault), 1);
            counts.add("faults", 1);
            self.inject(crew, planned, counts).await;
        }
    }

    async fn inject(&self, crew: &Participants, Planned { fault, length, dice, .. }: &Planned, counts: &Counts) {
        let database = crew.database.as_str();
        let sessions = format!("SELECT {{}} FROM pg_stat_activity WHERE datname = '{database}'");
        let end_all = sessions.replace("{}", "pg_terminate_backend(pid)");
        let read_only = |verb: &str| format!("ALTER DATABASE {database} {verb}");
        let on = read_only("SET default_transaction_read_only = on");
        let off = read_only("RESET default_transaction_read_only");
        let wait = || tokio::time::sleep(*length);
        match fault {
            Fault::KillIngest => crew.ingest.get(dice % crew.ingest.len().max(1)).into_iter().for_each(Ingest::kill),
            Fault::KillWorker => crew.worker.iter().for_each(Kept::kill),
            Fault::KillDeliver => crew.deliver.iter().for_each(Kept::kill),
            Fault::KillBackfill | Fault::KillReconcile => crew.job.iter().for_each(Job::kill),
            Fault::KillBackend => {
                // PostgreSQL itself does not send this signal, so `kill` does.
                let all = self.ask(&sessions.replace("{}", "pid")).await;
                if let Some(id) = all.get(dice % all.len().max(1)) {
                    kill("-9", id.unsigned_abs());
                }
            }
            Fault::TerminateBackends => self.admin("postgres", &end_all).await,
            Fault::RestartPostgres | Fault::CrashPostgres => {
                let (server, crash, away) = (Arc::clone(&self.server), *fault == Fault::CrashPostgres, *length);
                let restart = move || {
                    let mut server = server.lock().unwrap();
                    server.restart(crash, away);
                    server.port()
                };
                let start = Instant::now();
                self.proxy.lead_to(tokio::task::spawn_blocking(restart).await.unwrap());
                counts.add("milliseconds of restarts", start.elapsed().as_millis() as u64);
            }
            Fault::ReadOnly | Fault::ReadOnlyKept => {
                self.admin("postgres", &on).await;
                self.admin("postgres", &end_all).await;
                wait().await;
                self.admin("postgres", &off).await;
                if *fault == Fault::ReadOnly {
                    self.admin("postgres", &end_all).await;
                }
            }
            Fault::RefuseConnections => {
                self.proxy.close(true);
                wait().await;
                self.proxy.close(false);
            }
            Fault::CutConnections => self.proxy.cut(),
            Fault::Stall => {
                self.proxy.stall(true);
                wait().await;
                self.proxy.stall(false);
            }
            Fault::SlowDisk | Fault::DiskFull => {
                let kind = if *fault == Fault::SlowDisk { "slow" } else { "full" };
                self.admin(database, &format!("UPDATE chaos.fault SET kind = '{kind}'")).await;
                wait().await;
                self.admin(database, &format!("UPDATE chaos.fault SET kind = '{}'", crew.disk)).await;
            }
            Fault::CutBeforeCommit => self.proxy.cut_commit(dice % 3, Cut::Before),
            Fault::CutAfterCommit => self.proxy.cut_commit(dice % 3, Cut::After),
            Fault::ClockForward | Fault::ClockBack => {
                let sign = if *fault == Fault::ClockForward { '+' } else { '-' };
                // For a day after a head becomes known, GitLab is asked for the time of its version.
                let choice = if crew.gitlab.is_some() { 3 } else { 4 };
                self.set_clock(&format!("{sign}{}", [5, 120, 3600, 86_400][dice % choice]));
                // Processes read the file each second.
                tokio::time::sleep(*length + Duration::from_secs(1)).await;
                self.set_clock("+0");
            }
            Fault::ThrottleQueue => {
                self.aws.state().throttles = true;
                wait().await;
                self.aws.state().throttles = false;
            }
            Fault::LoseAcks => {
                self.aws.state().loses_acks = true;
                wait().await;
                self.aws.state().loses_acks = false;
            }
            Fault::BucketFull => {
                self.aws.state().is_full = true;
                wait().await;
                self.aws.state().is_full = false;
            }
            Fault::ThrottleArchive | Fault::ArchiveAway | Fault::ArchiveCut => {
                self.aws.state().archive = match fault {
                    Fault::ThrottleArchive => Behaviour::Throttles,
                    Fault::ArchiveAway => Behaviour::Away,
                    _ => Behaviour::Cuts,
                };
                wait().await;
                self.aws.state().archive = Behaviour::Well;
            }
            Fault::ThrottleGitlab | Fault::GitlabAway | Fault::GitlabCut => {
                let Some(gitlab) = &crew.gitlab else { return };
                gitlab.state().always = Some(match fault {
                    Fault::ThrottleGitlab => fixed(429, &[("retry-after", "1")], "Retry later"),
                    Fault::GitlabAway => fixed(503, &[], "<html>down</html>"),
                    _ => Arc::new(|_, _| Response::new(half(br#"[{"iid": 1, "state": "merged", "updated_at": "2026"#))),
                });
                wait().await;
                gitlab.state().always = None;
            }
            Fault::ThrottleTargets | Fault::TargetsAway | Fault::TargetsCut => {
                let mood = match fault {
                    Fault::ThrottleTargets => 1,
                    Fault::TargetsAway => 2,
                    _ => 3,
                };
                crew.outside.store(mood, Ordering::Relaxed);
                wait().await;
                crew.outside.store(0, Ordering::Relaxed);
            }
        }
    }
}

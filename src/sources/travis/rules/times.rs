//! Clamps the times that senders write.

use crate::sources::travis::record::{Build, Details, Job, Record, Stage};
use crate::transport::{Latest, Rejection};

impl Record {
    /// Clamps the times that the sender wrote. An impossible one (in the future) becomes the known time of the message.
    ///
    /// # Errors
    /// Never; other sources reject records.
    pub fn limit_times(&mut self, latest: Latest) -> Result<(), Rejection> {
        match self {
            Self::Message(message) => message.details.limit_times(latest),
            Self::Create(create) => {
                create.message.details.limit_times(latest);
                if let Some((_, build)) = &mut create.build {
                    build.limit_times(latest);
                }
                create.stages.iter_mut().for_each(|stage| stage.limit_times(latest));
                create.jobs.iter_mut().for_each(|job| job.limit_times(latest));
            }
        }
        Ok(())
    }
}

impl Details {
    fn limit_times(&mut self, latest: Latest) {
        let Self { queued_at, received_at, started_at, finished_at, .. } = self;
        latest.cut_all([queued_at, received_at, started_at, finished_at]);
    }
}

impl Build {
    fn limit_times(&mut self, latest: Latest) {
        let Self { created_at, received_at, started_at, finished_at, canceled_at, restarted_at, run_at, .. } = self;
        latest.cut_all([created_at, received_at, started_at, finished_at, canceled_at, restarted_at, run_at]);
    }
}

impl Stage {
    fn limit_times(&mut self, latest: Latest) {
        latest.cut_all([&mut self.started_at, &mut self.finished_at]);
    }
}

impl Job {
    fn limit_times(&mut self, latest: Latest) {
        let Self { created_at, queued_at, received_at, started_at, finished_at, canceled_at, restarted_at, .. } = self;
        latest.cut_all([created_at, queued_at, received_at, started_at, finished_at, canceled_at, restarted_at]);
    }
}

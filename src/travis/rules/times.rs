//! Bounds on the times that senders write.

use crate::envelope::{Latest, Refusal};
use crate::travis::record::{Build, Job, Record, Stage, Told};

impl Record {
    /// Limits the times that the sender wrote. One that cannot be true becomes the known time of the message.
    ///
    /// # Errors
    /// Never; other sources reject records.
    pub fn limit_times(&mut self, latest: Latest) -> Result<(), Refusal> {
        match self {
            Self::Message(message) => message.told.limit_times(latest),
            Self::Create(create) => {
                create.message.told.limit_times(latest);
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

impl Told {
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

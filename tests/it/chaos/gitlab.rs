//! A fake GitLab of which some webhooks were lost.

use hummingbird_status::transport::Delivery;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::reconcile::fake::{Fake, item, webhook};
use crate::reconcile::sns;
use crate::support::random::Random;

/// The fake GitLab, and the webhooks that it has delivered.
pub struct Known {
    pub gitlab: Fake,
    /// Webhooks that arrived, in order.
    pub delivered: Vec<Delivery>,
}

/// Merge requests of a few projects: some were changed, deleted or created without a webhook.
pub async fn know(random: &mut Random) -> Known {
    let (gitlab, mut delivered) = (Fake::start().await, Vec::new());
    gitlab.state().page = Some(9);
    let now = Timestamp::now();
    for number in 0..3 + random.below(4) {
        let (project, id) = (format!("g/p{number}"), 7 + number as i64);
        gitlab.state().ids.insert(project.clone(), id);
        for iid in 1..=20 + random.below(30) as i64 {
            let at = |minutes: i64| now.checked_sub(SignedDuration::from_mins(minutes)).unwrap().to_string();
            let (lately, before) = (at(random.below(50) as i64), at(60 + random.below(50) as i64));
            let mut there = item(iid, "opened", "2026-03-10T10:00:00.849Z");
            there["project_id"] = json!(id);
            (there["source_project_id"], there["target_project_id"]) = (json!(id), json!(id));
            let heard = |item: &Value, action: &str| {
                sns(&webhook(&project, item, action), &format!("2026-03-10T10:{iid:02}:01.{number:03}Z"))
            };
            let head = format!("{:040x}", random.next());
            let versions = json!([
                {"id": 2, "head_commit_sha": head, "created_at": lately},
                {"id": 1, "head_commit_sha": there["sha"], "created_at": before},
            ]);
            let what = random.below(10);
            match what {
                // Created without a webhook.
                0 => {
                    there["updated_at"] = json!(lately);
                    gitlab.state().versions.insert((project.clone(), iid), versions.clone());
                }
                // Reopened without a webhook.
                1 => {
                    there["state"] = json!("closed");
                    delivered.push(heard(&there, "close"));
                    there["state"] = json!("opened");
                    there["updated_at"] = json!(lately);
                }
                _ => delivered.push(heard(&there, "open")),
            }
            let news = match what {
                2 => json!({"state": "merged", "merged_at": before, "merge_commit_sha": head, "updated_at": lately}),
                3 => json!({"state": "closed", "updated_at": before}),
                4 => json!({"title": "Draft: Another", "draft": true, "labels": ["z", "a"], "updated_at": lately}),
                5 => {
                    gitlab.state().versions.insert((project.clone(), iid), versions.clone());
                    json!({"sha": head, "updated_at": lately})
                }
                _ => json!({}),
            };
            // Those of case 6 are deleted.
            if what != 6 {
                gitlab.put(&project, there);
                gitlab.change(&project, iid, news);
            }
        }
    }
    Known { gitlab, delivered }
}

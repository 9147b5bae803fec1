-- Some rows for every table that migration 3 makes or changes, as it leaves them.

INSERT INTO reconcile_projects (project, checked_at, swept_at, problem) VALUES
    ('redhat/hummingbird/rpms', '2026-03-12T10:30:00+00:00', '2026-03-12T10:30:00+00:00', NULL),
    ('redhat/hummingbird/gone', '2026-03-12T10:30:01+00:00', NULL, 'GitLab answers 404');

UPDATE pipelineruns SET stale_since = '2026-03-12T04:00:00+00:00' WHERE rank = 0;
UPDATE releases SET stale_since = '2026-03-12T04:00:00+00:00' WHERE state = 'running';

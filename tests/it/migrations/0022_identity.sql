UPDATE gitlab_merge_requests SET host = 'gitlab.com' WHERE iid = (SELECT min(iid) FROM gitlab_merge_requests);
INSERT INTO gitlab_projects VALUES ('gitlab.com', 7, 'g/p', '2026-03-10T10:00:00Z', 0, true, true),
    ('gitlab.com', 7, 'g/before', '2026-03-09T10:00:00Z', 0, false, false);

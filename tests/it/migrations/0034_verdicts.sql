INSERT INTO verdict_changes (repo, sha, silent) VALUES ('acme/app', repeat('a', 40), false);
INSERT INTO verdicts (host, repo, sha, verdict, due_at) VALUES ('gitlab.com', 'acme/app', repeat('a', 40), 'passed', now());

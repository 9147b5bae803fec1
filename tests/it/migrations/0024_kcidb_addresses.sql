INSERT INTO kcidb_checkouts (id, origin, git_repository_url, start_time, message_id)
VALUES ('o:last', 'o', 'https://h/r.git', '9999-12-30 22:00:00+00', 'm');

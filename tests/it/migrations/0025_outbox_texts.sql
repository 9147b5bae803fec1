INSERT INTO outbox (family, event, key, attributes, payload, texts)
VALUES ('kcidb', 'datawarehouse.test.new', 'test o:t', '{"omitted": "log_excerpt"}', '{"object": {"id": "o:t"}}', '{"log_excerpt": "sha256:00"}');

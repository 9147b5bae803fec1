INSERT INTO outbox (family, event, key, attributes, payload) VALUES
    ('kcidb', 'datawarehouse.test.new', 'test o:1', '{"status": "new"}', '{"status": "new", "object": {"id": "o:1"}}');

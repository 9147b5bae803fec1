-- Where a repository is: its host is told how its commits stand.
ALTER TABLE travis_repositories ADD COLUMN url text;
-- Messages whose build never came are thrown away, the oldest first.
CREATE INDEX travis_pending_updated ON travis_pending (updated_at);

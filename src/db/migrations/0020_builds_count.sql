-- What a run or a Snapshot of Konflux counts for.

-- Whether it ran for a push: Pipelines as Code says so, or no merge request is named. A push may carry the number of the merge
-- request that it merges. A run of a merge queue has the event of a push, and is one of the merge request that is queued
-- (konflux-ci/integration-service, pull request 1360): GitHub's, GitLab's merge trains, Mergify's, Trunk's, Graphite's.
CREATE FUNCTION is_pushed(event text, mr_iid bigint, branch text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE
        WHEN lower(event) IN ('push', 'tag push', 'tag_push') THEN true
        WHEN lower(event) ~ '^(pull|merge)[ _]request' THEN false
        ELSE mr_iid IS NULL
    END
    AND coalesce(branch, '') !~ '^(gh-readonly-queue/|refs/merge-requests/|mergify/merge-queue/|trunk-merge/|gtmq_)'
$$;

-- Whether it ran for a push to the branch that a component follows (spec.source.git.revision). A tag is no branch. A component
-- that follows a commit, or names nothing, follows any branch; and a run that names no branch may be of it.
CREATE FUNCTION counts_for(event text, mr_iid bigint, branch text, revision text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT is_pushed(event, mr_iid, branch) AND CASE
        WHEN branch IS NULL THEN true
        WHEN coalesce(revision, '') = '' OR revision ~ '^[0-9a-f]{40}([0-9a-f]{24})?$' THEN branch NOT LIKE 'refs/tags/%'
        ELSE branch IN (revision, regexp_replace(revision, '^refs/heads/', ''), 'refs/tags/' || revision)
    END
$$;

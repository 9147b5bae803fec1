-- find
-- The ids of the builds of existing jobs and builds.
SELECT false AS is_build, j.id, j.build_id FROM travis_jobs AS j WHERE j.id = ANY($1::bigint[])
UNION ALL
SELECT true AS is_build, b.id, b.id AS build_id FROM travis_builds AS b WHERE b.id = ANY($2::bigint[])

-- stay_awake
UPDATE delivery_awake AS t SET awake_until = now() + $1::bigint * interval '1 millisecond' RETURNING t.awake_until

-- shape: in
SELECT user_id FROM profiles
WHERE user_no IN (SELECT user_no FROM events WHERE event = 'purchase' AND ts >= TIMESTAMPTZ '2026-03-25 00:00:00+00')
-- shape: group then semi-join
SELECT user_id FROM profiles
WHERE user_no IN (SELECT user_no FROM events WHERE event = 'purchase' AND ts >= TIMESTAMPTZ '2026-03-25 00:00:00+00' GROUP BY user_no)
-- shape: group then join
SELECT p.user_id
FROM (SELECT user_no FROM events WHERE event = 'purchase' AND ts >= TIMESTAMPTZ '2026-03-25 00:00:00+00' GROUP BY user_no) e
JOIN profiles p ON p.user_no = e.user_no

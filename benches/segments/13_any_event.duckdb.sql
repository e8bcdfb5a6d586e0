-- shape: in
SELECT user_id FROM profiles
WHERE user_no IN (SELECT user_no FROM events WHERE ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00' GROUP BY user_no HAVING count(*) >= 20)
-- shape: group then join
SELECT p.user_id
FROM (SELECT user_no FROM events WHERE ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00' GROUP BY user_no HAVING count(*) >= 20) e
JOIN profiles p ON p.user_no = e.user_no

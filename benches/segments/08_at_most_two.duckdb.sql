-- shape: not exists
WITH often AS (
  SELECT user_no FROM events WHERE event = 'search' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00' GROUP BY user_no HAVING count(*) > 2)
SELECT user_id FROM profiles p WHERE NOT EXISTS (SELECT 1 FROM often e WHERE e.user_no = p.user_no)
-- shape: not in
SELECT user_id FROM profiles
WHERE user_no NOT IN (
  SELECT user_no FROM events WHERE event = 'search' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00' GROUP BY user_no HAVING count(*) > 2)
-- shape: group then left join
SELECT p.user_id
FROM profiles p
LEFT JOIN (
  SELECT user_no, count(*) AS n FROM events WHERE event = 'search' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00' GROUP BY user_no) e
  ON e.user_no = p.user_no
WHERE coalesce(e.n, 0) <= 2

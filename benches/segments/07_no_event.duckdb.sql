-- shape: not exists
SELECT user_id FROM profiles p
WHERE NOT EXISTS (
  SELECT 1 FROM events e WHERE e.user_no = p.user_no AND event = 'login' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00')
-- shape: not in, grouped
SELECT user_id FROM profiles
WHERE user_no NOT IN (
  SELECT user_no FROM events WHERE event = 'login' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00' AND user_no IS NOT NULL GROUP BY user_no)
-- shape: group then left join
SELECT p.user_id
FROM profiles p
LEFT JOIN (
  SELECT user_no FROM events WHERE event = 'login' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00' GROUP BY user_no) e ON e.user_no = p.user_no
WHERE e.user_no IS NULL

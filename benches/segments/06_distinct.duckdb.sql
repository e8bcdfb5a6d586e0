-- shape: in, count distinct
SELECT user_id FROM profiles
WHERE user_no IN (
  SELECT user_no FROM events WHERE event = 'product_view' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00'
  GROUP BY user_no HAVING count(DISTINCT category) >= 3)
-- shape: in, two levels of grouping
SELECT user_id FROM profiles
WHERE user_no IN (
  SELECT user_no
  FROM (
    SELECT user_no, category FROM events
    WHERE event = 'product_view' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00' AND category IS NOT NULL
    GROUP BY user_no, category)
  GROUP BY user_no HAVING count(*) >= 3)
-- shape: group then join
SELECT p.user_id
FROM (
  SELECT user_no FROM events WHERE event = 'product_view' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00'
  GROUP BY user_no HAVING count(DISTINCT category) >= 3) e
JOIN profiles p ON p.user_no = e.user_no

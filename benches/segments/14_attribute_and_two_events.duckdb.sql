-- shape: in
SELECT user_id FROM profiles p
WHERE country IN ('US', 'JP')
  AND user_no IN (SELECT user_no FROM events WHERE event = 'cart_add' AND ts >= TIMESTAMPTZ '2026-03-18 00:00:00+00')
  AND NOT EXISTS (
    SELECT 1 FROM events e WHERE e.user_no = p.user_no AND event = 'purchase' AND ts >= TIMESTAMPTZ '2026-03-18 00:00:00+00')
-- shape: one scan
SELECT p.user_id
FROM (
  SELECT user_no FROM events WHERE event IN ('cart_add', 'purchase') AND ts >= TIMESTAMPTZ '2026-03-18 00:00:00+00'
  GROUP BY user_no
  HAVING count(*) FILTER (event = 'cart_add') >= 1 AND count(*) FILTER (event = 'purchase') = 0) e
JOIN profiles p ON p.user_no = e.user_no
WHERE p.country IN ('US', 'JP')
-- shape: union of arms
SELECT p.user_id
FROM (
  SELECT user_no
  FROM (
    SELECT user_no, 1 AS added, NULL AS bought FROM events WHERE event = 'cart_add' AND ts >= TIMESTAMPTZ '2026-03-18 00:00:00+00' GROUP BY user_no
    UNION ALL
    SELECT user_no, NULL, 1 FROM events WHERE event = 'purchase' AND ts >= TIMESTAMPTZ '2026-03-18 00:00:00+00' GROUP BY user_no)
  GROUP BY user_no HAVING max(added) IS NOT NULL AND max(bought) IS NULL) e
JOIN profiles p ON p.user_no = e.user_no
WHERE p.country IN ('US', 'JP')

-- shape: in
SELECT user_id FROM profiles
WHERE user_no IN (
  SELECT user_no FROM events
  WHERE event IN ('page_view', 'screen_view') AND ts >= TIMESTAMPTZ '2026-03-18 00:00:00+00' AND page LIKE '/shop/%' AND quantity >= 2
  GROUP BY user_no HAVING count(*) >= 2)
-- shape: group then join
SELECT p.user_id
FROM (
  SELECT user_no FROM events
  WHERE event IN ('page_view', 'screen_view') AND ts >= TIMESTAMPTZ '2026-03-18 00:00:00+00' AND page LIKE '/shop/%' AND quantity >= 2
  GROUP BY user_no HAVING count(*) >= 2) e
JOIN profiles p ON p.user_no = e.user_no
-- shape: union of arms
SELECT p.user_id
FROM (
  SELECT user_no
  FROM (
    SELECT user_no, count(*) AS n FROM events
    WHERE event = 'page_view' AND ts >= TIMESTAMPTZ '2026-03-18 00:00:00+00' AND page LIKE '/shop/%' AND quantity >= 2 GROUP BY user_no
    UNION ALL
    SELECT user_no, count(*) AS n FROM events
    WHERE event = 'screen_view' AND ts >= TIMESTAMPTZ '2026-03-18 00:00:00+00' AND page LIKE '/shop/%' AND quantity >= 2 GROUP BY user_no)
  GROUP BY user_no HAVING sum(n) >= 2) e
JOIN profiles p ON p.user_no = e.user_no

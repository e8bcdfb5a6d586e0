-- A comparison with a missing attribute is false, so its negation is true: hence the coalesce.
-- shape: in
SELECT user_id FROM profiles p
WHERE (plan IN ('pro', 'enterprise')
    AND user_no NOT IN (SELECT user_no FROM events WHERE event = 'login' AND ts >= TIMESTAMPTZ '2026-03-18 00:00:00+00'))
  OR (is_subscriber = false
    AND (user_no IN (SELECT user_no FROM events WHERE event = 'purchase' GROUP BY user_no HAVING count(*) >= 3)
      OR (user_no IN (SELECT user_no FROM events WHERE event = 'purchase' AND ts >= TIMESTAMPTZ '2026-03-25 00:00:00+00')
        AND user_no IN (SELECT user_no FROM events WHERE event = 'coupon_apply' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00'))))
  OR (user_no NOT IN (SELECT user_no FROM events WHERE event IN ('page_view', 'screen_view')) AND NOT coalesce(age < 60, false))
-- shape: one scan
SELECT p.user_id
FROM profiles p
LEFT JOIN (
  SELECT user_no,
    count(*) FILTER (event = 'login') AS logins,
    count(*) FILTER (event = 'purchase') AS purchases,
    count(*) FILTER (event = 'purchase' AND ts >= TIMESTAMPTZ '2026-03-25 00:00:00+00') AS lately,
    count(*) FILTER (event = 'coupon_apply') AS coupons,
    count(*) FILTER (event IN ('page_view', 'screen_view')) AS views
  FROM events
  WHERE event IN ('login', 'purchase', 'coupon_apply', 'page_view', 'screen_view')
    AND (event IN ('purchase', 'page_view', 'screen_view')
      OR event = 'login' AND ts >= TIMESTAMPTZ '2026-03-18 00:00:00+00'
      OR event = 'coupon_apply' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00')
  GROUP BY user_no) e ON e.user_no = p.user_no
WHERE (plan IN ('pro', 'enterprise') AND coalesce(logins, 0) = 0)
  OR (is_subscriber = false AND (purchases >= 3 OR (lately >= 1 AND coupons >= 1)))
  OR (coalesce(views, 0) = 0 AND NOT coalesce(age < 60, false))
-- shape: union of arms
SELECT p.user_id
FROM profiles p
LEFT JOIN (
  SELECT user_no, max(l) AS l, max(b) AS b, max(w) AS w, max(c) AS c, max(v) AS v
  FROM (
    SELECT user_no, 1 AS l, NULL AS b, NULL AS w, NULL AS c, NULL AS v
    FROM events WHERE event = 'login' AND ts >= TIMESTAMPTZ '2026-03-18 00:00:00+00' GROUP BY user_no
    UNION ALL
    SELECT user_no, NULL, CASE WHEN count(*) >= 3 THEN 1 END, CASE WHEN max(ts) >= TIMESTAMPTZ '2026-03-25 00:00:00+00' THEN 1 END, NULL, NULL
    FROM events WHERE event = 'purchase' GROUP BY user_no
    HAVING count(*) >= 3 OR max(ts) >= TIMESTAMPTZ '2026-03-25 00:00:00+00'
    UNION ALL
    SELECT user_no, NULL, NULL, NULL, 1, NULL
    FROM events WHERE event = 'coupon_apply' AND ts >= TIMESTAMPTZ '2026-03-02 00:00:00+00' GROUP BY user_no
    UNION ALL
    SELECT user_no, NULL, NULL, NULL, NULL, 1
    FROM events WHERE event IN ('page_view', 'screen_view') GROUP BY user_no)
  GROUP BY user_no) e ON e.user_no = p.user_no
WHERE (plan IN ('pro', 'enterprise') AND l IS NULL)
  OR (is_subscriber = false AND (b IS NOT NULL OR (w IS NOT NULL AND c IS NOT NULL)))
  OR (v IS NULL AND NOT coalesce(age < 60, false))

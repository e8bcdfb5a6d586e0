-- shape: in
SELECT user_id FROM profiles
WHERE user_no IN (SELECT user_no FROM events WHERE event = 'page_view' GROUP BY user_no HAVING count(*) >= 10)
-- shape: group then join
SELECT p.user_id
FROM (SELECT user_no FROM events WHERE event = 'page_view' GROUP BY user_no HAVING count(*) >= 10) e
JOIN profiles p ON p.user_no = e.user_no

-- A sum of doubles, which is the fastest, will do: amounts have two decimals, so no true sum is near the bound.
-- shape: in
SELECT user_id FROM profiles
WHERE user_no IN (SELECT user_no FROM events WHERE event = 'purchase' GROUP BY user_no HAVING sum(amount) >= 500.005::DOUBLE)
-- shape: group then join
SELECT p.user_id
FROM (SELECT user_no FROM events WHERE event = 'purchase' GROUP BY user_no HAVING sum(amount) >= 500.005::DOUBLE) e
JOIN profiles p ON p.user_no = e.user_no

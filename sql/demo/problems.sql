-- name: demo_problems
-- Made-up problems, the same for the same seed: those numbered $4 to $5. A few users have many.
-- $1 bigint  seed
-- $2 bigint  how many users there are in all
-- $3 bigint  how many problems there are in all
-- $4 bigint  the first number, from 1
-- $5 bigint  the last
-- columns: id, user_id, title, description, url, platform, difficulty, tags, created_at, updated_at
SELECT id, user_id, title,
       CASE WHEN h2 & 7 < 3 THEN NULL
            ELSE (ARRAY['Given an array of integers, return ',
                        'Given a string s and an integer k, return ',
                        'You are given the root of a binary tree. Return ',
                        E'An undirected graph is given as a list of edges.\nReturn ',
                        'A robot stands in the top-left corner of a grid. Find ',
                        E'Given n intervals [start, end], return '])[1 + (h2 >> 3 & 65535) % 6]
                 || 'the ' || lower(title) || '.'
                 || (ARRAY['', E'\n\nFollow-up: can you do it in O(n) time and O(1) space?',
                           E'\n\nExample:\n\tInput: nums = [2,7,11,15], target = 9\n\tOutput: [0,1]',
                           E'\n\nConstraints: 1 ≤ n ≤ 10⁵, −10⁹ ≤ nums[i] ≤ 10⁹.'])[1 + (h2 >> 19 & 3)]
       END AS description,
       CASE platform
           WHEN 'LeetCode' THEN 'https://leetcode.com/problems/' || slug || '/'
           WHEN 'NeetCode' THEN 'https://neetcode.io/problems/' || slug
           WHEN 'HackerRank' THEN 'https://www.hackerrank.com/challenges/' || slug || '/problem'
           WHEN 'Codeforces' THEN 'https://codeforces.com/problemset/problem/' || 1000 + (h2 >> 21 & 1023)
                                  || '/' || chr(65 + (h2 >> 31 & 7)::integer)
       END AS url,
       platform,
       (CASE WHEN h3 & 15 < 5 THEN 'easy' WHEN h3 & 15 < 13 THEN 'medium' ELSE 'hard' END) AS difficulty,
       CASE WHEN h3 >> 40 & 31 = 31 THEN NULL
            WHEN h3 >> 40 & 31 = 30 THEN '{}'
            ELSE (ARRAY['array','hash table','two pointers','sliding window','dynamic programming',
                        'graph','bfs','dfs','binary search','heap','greedy','backtracking','trie',
                        'union find','bit manipulation','"must know"'])
                 [1 + (h3 >> 5 & 7) : 1 + (h3 >> 5 & 7) + (h3 >> 8 & 3)]
                 || CASE WHEN h3 >> 10 & 15 = 0 THEN ARRAY['again, please'] ELSE '{}' END
       END AS tags,
       added AS created_at,
       added + (h3 >> 14 & 1048575) * interval '1.7 seconds' AS updated_at
  FROM (SELECT h2, h3, added, id, user_id, title, lower(replace(title, ' ', '-')) AS slug,
               (ARRAY['LeetCode','LeetCode','LeetCode','LeetCode','NeetCode','HackerRank',
                      'Codeforces',NULL])[1 + (h2 >> 41 & 7)] AS platform
          FROM (SELECT h2, h3,
                       timestamp '2025-11-01'
                           + sqrt((h1 >> 32 & 4294967295) / 4294967296.0::double precision)
                           * interval '362 days' AS added,
                       -- A UUID of version 4 as far as anybody can tell.
                       overlay(overlay(md5('problem ' || $1::bigint || ' ' || n) PLACING '4' FROM 13)
                               PLACING substr('89ab', 1 + (h1 & 3)::integer, 1) FROM 17)::uuid AS id,
                       'user_2' || left(translate(encode(decode(md5('user ' || $1::bigint || ' '
                           || 1 + floor($2::bigint * r * r)), 'hex'), 'base64'), '+/=', 'xYz'), 21)
                           AS user_id,
                       (ARRAY['Longest','Shortest','Minimum','Maximum','Count of','Sum of','K Closest',
                              'Distinct','Balanced','Smallest','Number of','Most Frequent','Largest',
                              'Last','Alternating','Design a'])[1 + (h2 >> 44 & 15)]
                       || (ARRAY[' Substring',' Subarray',' Subsequence',' Palindrome',' Path',' Window',
                                 ' Island',' Interval',' Rectangle',' Common Prefix',' Bracket Sequence',
                                 ' Word Ladder',' Tree Level',' Partition',' Jump Game',' Coin Change',
                                 ' Rotation',' Meeting Room',' Stock Trade',' Word Break',' Spiral',
                                 ' Edit Distance',' Course Schedule',' Cycle',' Skyline',' Histogram',
                                 ' Median',' Anagram Group',' Water Container',' Node Pair',
                                 ' Cache',' Iterator'])[1 + (h2 >> 48 & 31)]
                       || (ARRAY['','','','',' II',' III',' in a Matrix',' in a Binary Tree',
                                 ' with Repeats',' after K Changes',' of a Graph',' in a Sorted Array',
                                 ' with Cooldown',' in a Linked List',' on a Grid',' by Swaps'])
                          [1 + (h2 >> 53 & 15)] AS title
                  FROM (SELECT n, hashint8extended(n, $1::bigint * 8 + 3) AS h1,
                               hashint8extended(n, $1::bigint * 8 + 4) AS h2,
                               hashint8extended(n, $1::bigint * 8 + 5) AS h3,
                               -- Squared above: a tenth of the users have a third of the problems.
                               (hashint8extended(n, $1::bigint * 8 + 3) & 4294967295)
                                   / 4294967296.0::double precision AS r
                          FROM generate_series($4::bigint, least($5::bigint, $3::bigint)) AS n
                        OFFSET 0) AS hashed
                OFFSET 0) AS named
        OFFSET 0) AS placed

-- name: demo_attempts
-- Made-up attempts, the same for the same seed: those numbered $5 to $6. Each is its problem's
-- owner's, and later than the problem. About 270 bytes each.
-- $1 bigint  seed
-- $2 bigint  how many users there are in all
-- $3 bigint  how many problems there are in all
-- $4 bigint  how many attempts there are in all
-- $5 bigint  the first number, from 1
-- $6 bigint  the last
-- columns: id, problem_id, user_id, status, time_taken, notes, solution_code, created_at, updated_at
SELECT overlay(overlay(md5('attempt ' || $1::bigint || ' ' || n) PLACING '4' FROM 13)
               PLACING substr('89ab', 1 + (h1 & 3)::integer, 1) FROM 17)::uuid AS id,
       overlay(overlay(md5('problem ' || $1::bigint || ' ' || problem) PLACING '4' FROM 13)
               PLACING substr('89ab', 1 + (p1 & 3)::integer, 1) FROM 17)::uuid AS problem_id,
       'user_2' || left(translate(encode(decode(md5('user ' || $1::bigint || ' '
           || 1 + floor($2::bigint * r * r)), 'hex'), 'base64'), '+/=', 'xYz'), 21) AS user_id,
       (CASE WHEN h1 >> 2 & 15 < 8 THEN 'solved' WHEN h1 >> 2 & 15 < 13 THEN 'partial' ELSE 'failed' END)
           AS status,
       CASE WHEN h1 >> 6 & 15 > 0 THEN 3 + (h1 >> 10 & 31) + (h1 >> 15 & 31) END AS time_taken,
       CASE WHEN h1 >> 20 & 15 < 8
            THEN (ARRAY['Got stuck on the empty input.','Brute force first, then noticed the overlap.',
                        'Off by one again!','Sorted it, two pointers, done.','Time limit exceeded at n = 10⁵.',
                        'Needed the hint: think of the complement.','Clean on the first try 🎉',
                        'Recursion was too deep, made it iterative.','Solved it in the interview style, out loud.',
                        E'Two things to remember:\n- check the bounds\n- reset the window',
                        'Forgot that the array is sorted already…','Monotonic stack. I keep forgetting it.',
                        'Overflow in (lo + hi) / 2.','Wrong answer on test 37.','Reviewed the editorial afterwards.',
                        'Could be O(n log n) with a heap.'])[1 + (h1 >> 24 & 15)]
                 || (ARRAY['',' Revisit next week.','',' Took longer than it should.'])[1 + (h1 >> 28 & 3)]
       END AS notes,
       CASE WHEN h1 >> 30 & 15 < 7
            THEN replace(replace((ARRAY[
E'def solve(nums: list[int], k: int) -> int:\n    seen = {}\n    best = 0\n    for i, x in enumerate(nums):\n        if k - x in seen:\n            best = max(best, i - seen[k - x])\n        seen[x] = i\n    return best\n',
E'function solve(nums: number[], k: number): number {\n  const seen = new Map<number, number>();\n  for (const [i, x] of nums.entries()) {\n    if (seen.has(k - x)) return i;\n    seen.set(x, i);\n  }\n  return -1;\n}\n',
E'class Solution {\n    public int solve(int[] nums, int k) {\n        int lo = 0, hi = nums.length - 1;\n        while (lo < hi) {\n            int mid = lo + (hi - lo) / 2;\n            if (nums[mid] < k) lo = mid + 1; else hi = mid;\n        }\n        return lo;\n    }\n}\n',
E'#include <vector>\nint solve(std::vector<int>& a, int k) {\n\tint best = 0;\n\tfor (size_t i = 0, j = 0; i < a.size(); ++i) {\n\t\twhile (a[i] - a[j] > k) ++j;\n\t\tbest = std::max(best, int(i - j + 1));\n\t}\n\treturn best;\n}\n',
E'func solve(nums []int, k int) int {\n\tcount := map[int]int{0: 1}\n\tsum, res := 0, 0\n\tfor _, x := range nums {\n\t\tsum += x\n\t\tres += count[sum-k]\n\t\tcount[sum]++\n\t}\n\treturn res\n}\n',
E'impl Solution {\n    pub fn solve(nums: Vec<i32>, k: i32) -> i32 {\n        nums.windows(2).filter(|w| w[1] - w[0] <= k).count() as i32\n    }\n}\n',
E'SELECT customer, count(*) AS n\n  FROM orders\n WHERE note LIKE ''%\\_done''\n GROUP BY customer\nHAVING count(*) > k;\n',
E'def solve(s):\n    return re.sub(r"(\\w)\\1+", r"\\1", s)  # k\n'
                     ])[1 + (h1 >> 34 & 7)],
                     'solve', (ARRAY['solve','twoSum','maxWindow','longestRun','countPairs','search',
                                     'minCost','helper'])[1 + (h1 >> 37 & 7)]),
                     ' k', (ARRAY[' k',' target',' limit',' goal'])[1 + (h1 >> 40 & 3)])
       END AS solution_code,
       tried AS created_at,
       CASE WHEN h1 >> 42 & 7 = 0 THEN tried + (h1 >> 45 & 65535) * interval '3.3 seconds' ELSE tried END
           AS updated_at
  FROM (SELECT n, h1, p1, problem, r,
               added + (h2 & 4294967295) / 4294967296.0::double precision
                   * (timestamp '2026-11-01' - added) AS tried
          FROM (SELECT n, h1, h2, p1, problem,
                       (p1 & 4294967295) / 4294967296.0::double precision AS r,
                       timestamp '2025-11-01'
                           + sqrt((p1 >> 32 & 4294967295) / 4294967296.0::double precision)
                           * interval '362 days' AS added
                  FROM (SELECT n, h1, h2, problem,
                               hashint8extended(problem, $1::bigint * 8 + 3) AS p1
                          FROM (SELECT n, h1, h2,
                                       1 + floor($3::bigint * q * q)::bigint AS problem
                                  FROM (SELECT n, hashint8extended(n, $1::bigint * 8 + 6) AS h1,
                                               hashint8extended(n, $1::bigint * 8 + 7) AS h2,
                                               (hashint8extended(n, $1::bigint * 8 + 7) >> 32 & 4294967295)
                                                   / 4294967296.0::double precision AS q
                                          FROM generate_series($5::bigint, least($6::bigint, $4::bigint)) AS n
                                        OFFSET 0) AS hashed
                                OFFSET 0) AS chosen
                        OFFSET 0) AS found
                OFFSET 0) AS dated
        OFFSET 0) AS placed

-- wrk's script for whole answers. Arguments: the file of bodies, and the number of the first
-- request. Each line of the file is a body with the mark @@@@@@@@@@@@, which becomes the request's
-- number, so that no two prompts are equal. The API key comes from the environment, since anybody
-- can read a process's arguments. The last line of the output is JSON; times are in seconds.

local mark, pieces, number = "@@@@@@@@@@@@", {}, 0

function init(args)
  local headers = { ["Content-Type"] = "application/json" }
  local key = os.getenv("NICHE_BENCH_KEY")
  if key then headers["Authorization"] = "Bearer " .. key end
  for body in io.lines(args[1]) do
    local whole = wrk.format("POST", nil, headers, body)
    local first, last = whole:find(mark, 1, true)
    pieces[#pieces + 1] = { whole:sub(1, first - 1), whole:sub(last + 1) }
  end
  number = tonumber(args[2])
end

function request()
  number = number + 1
  local piece = pieces[number % #pieces + 1]
  return piece[1] .. string.format("%012d", number) .. piece[2]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "p50": %.6f, "p99": %.6f, "status": %d, "timeout": %d, "socket": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
    errors.status, errors.timeout, errors.connect + errors.read + errors.write))
end

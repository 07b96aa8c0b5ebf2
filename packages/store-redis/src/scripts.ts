import { createHash } from 'node:crypto';

/** A Lua script, and the digest by which Redis knows it once it has run there. */
export interface Script {
  readonly source: string;
  readonly sha: string;
}

/** How many logins that have ended one write removes, so that it stays short however many were given up. */
const EXPIRED_PER_WRITE = 20;

/** No key of Redis can end later, epoch ms. */
const LAST_INSTANT = Number.MAX_SAFE_INTEGER;

/** How much of bodies one script reads for a list. */
const SLICE_BYTES = 1_000_000;

/**
 * What every script begins with. `KEYS[1]` names the rows of one registration and kind; every other key is made from
 * it, so all lie in one hash slot. A row is a hash; `:ids`, `:ids:<state>` and `:due` are sorted sets of ids in
 * hexadecimal, and `:exp` is one of logins by their end.
 *
 * The time is that of the script, in which Redis stands still: what is compared with it is what is returned.
 */
const PREAMBLE = `
local base, kind = KEYS[1], ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if not string.find(redis.call('INFO', 'replication'), 'role:master', 1, true) then
  return redis.error_reply('HQREPLICA this server is a replica')
end
local function row_key(id) return base .. ':row:' .. id end
local function judge(row)
  if not row[1] then return nil end
  row.alive = not (kind == 'login' and row[4] ~= '' and tonumber(row[4]) <= now)
  return row
end
local function facts(id) return judge(redis.call('HMGET', row_key(id), 'rev', 'state', 'due', 'exp')) end
local function read(id) return judge(redis.call('HMGET', row_key(id), 'rev', 'state', 'due', 'exp', 'body', 'write')) end
local function matches(row, state, due)
  return row and row.alive and (state == '' or row[2] == state)
    and (due == '' or (row[3] ~= '' and tonumber(row[3]) <= tonumber(due)))
end
local function add(reply, row)
  for field = 1, 5 do reply[#reply + 1] = row[field] end
  return reply
end
`;

/** `ARGV`: kind, id. Reply: now, and the row's five fields if there is one. */
export const READ = script(`
local row = read(ARGV[2])
if row and row.alive then return add({ now }, row) end
return { now }
`);

/**
 * `ARGV`: kind, id, expected revision (empty: none), state, due, end (empty: never), body, name of this write,
 * random part of the revision (0 to 999).
 * Reply: 1, now, revision; or 0, now, and the row that stood in the way.
 *
 * A client that connects anew may send a command again whose answer it did not get. The name tells the second
 * execution that the first one wrote, so that it is not taken for a refusal.
 */
export const CAS = script(`
local id, expected, state, due, ends = ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local row = read(id)
local alive = row and row.alive
if alive and row[6] == ARGV[8] then return { 1, now, row[1] } end
if alive and row[1] ~= expected then return add({ 0, now }, row) end
if not alive and expected ~= '' then return { 0, now } end

local rev = string.format('%.0f', math.max((row and tonumber(row[1]) or 0) + 1, now * 1000) + tonumber(ARGV[9]))
-- Of the indexes first: where another program has a key of that name nothing is written, and what an index says is
-- checked with the row.
if not row or row[2] ~= state then
  redis.call('ZADD', base .. ':ids', 0, id)
  redis.call('ZADD', base .. ':ids:' .. state, 0, id)
end
if due == '' then redis.call('ZREM', base .. ':due', id)
elseif not row or row[3] ~= due then redis.call('ZADD', base .. ':due', due, id) end
if kind == 'login' then
  if ends == '' then redis.call('ZREM', base .. ':exp', id)
  else redis.call('ZADD', base .. ':exp', ends, id) end
end
if row and row[2] ~= state then redis.call('ZREM', base .. ':ids:' .. row[2], id) end
redis.call('HSET', row_key(id), 'rev', rev, 'state', state, 'due', due, 'exp', ends, 'body', ARGV[7], 'write', ARGV[8])

if kind == 'login' then
  if ends == '' then redis.call('PERSIST', row_key(id))
  else redis.call('PEXPIREAT', row_key(id), string.format('%.0f', math.min(ends, ${LAST_INSTANT}))) end
  local ended = redis.call('ZRANGEBYSCORE', base .. ':exp', '-inf', now, 'LIMIT', 0, ${EXPIRED_PER_WRITE})
  if #ended > 0 then
    for _, name in ipairs(ended) do redis.call('DEL', row_key(name)) end
    for _, index in ipairs({ '', ':connected', ':pending', ':reauth_required', ':disconnected', ':other' }) do
      redis.call('ZREM', base .. ':ids' .. index, unpack(ended))
    end
    redis.call('ZREM', base .. ':due', unpack(ended))
    redis.call('ZREM', base .. ':exp', unpack(ended))
  end
end
return { 1, now, rev }
`);

/**
 * `ARGV`: kind, limit, state (empty: any), due before (empty: by id), after (empty: from the first; else an id).
 * Reply: ids.
 *
 * What an index says is checked with the row: a login that Redis has removed by its time is still in there.
 */
export const LIST_IDS = script(`
local limit, state, due = tonumber(ARGV[2]), ARGV[3], ARGV[4]
local index = base .. (due ~= '' and ':due' or (state == '' and ':ids' or ':ids:' .. state))
local lowest = ARGV[5] == '' and '-' or ARGV[5]
local found, offset = {}, 0
while #found < limit do
  local ids
  if due ~= '' then ids = redis.call('ZRANGEBYSCORE', index, '-inf', due, 'LIMIT', offset, limit)
  else ids = redis.call('ZRANGEBYLEX', index, lowest, '+', 'LIMIT', offset, limit) end
  for _, id in ipairs(ids) do
    if #found < limit and matches(facts(id), state, due) then found[#found + 1] = id end
  end
  if #ids < limit then break end
  offset = offset + limit
end
return found
`);

/**
 * `ARGV`: kind, state, due before, ids. Reply: how many of the ids were looked at, then for each row that still
 * matches its id and five fields. Large bodies come in several replies, because a script stops all of Redis.
 */
export const LIST_ROWS = script(`
local reply, length = { 0 }, 0
for at = 4, #ARGV do
  local row = read(ARGV[at])
  if matches(row, ARGV[2], ARGV[3]) then
    reply[#reply + 1] = ARGV[at]
    add(reply, row)
    length = length + #row[5]
  end
  reply[1] = reply[1] + 1
  if length >= ${SLICE_BYTES} then break end
end
return reply
`);

/** Reply: now. */
export const NOW = script('return now');

/** Reply: what `INFO` says about how long Redis keeps what it is given. */
export const INFO = script(`return redis.call('INFO', 'memory') .. redis.call('INFO', 'persistence')`);

function script(body: string): Script {
  const source = PREAMBLE + body;
  return { source, sha: createHash('sha1').update(source).digest('hex') };
}

"""The scripts that run inside the store. Each touches only KEYS[1], so they run on a cluster too."""

from dataclasses import dataclass, field
from hashlib import sha1

from hangtag.store.entry import Outcome

# Numbers are compared byte by byte: Lua's numbers lose exactness above 2^53, and `<` on its strings follows the locale.
_COMPARE = """
local function compare(old, new, from, to)
  for i = from, to do
    local was, is = string.byte(old, i), string.byte(new, i)
    if is > was then return 1 end
    if is < was then return -1 end
  end
  return 0
end
"""

# A key of another type counts as one that holds nothing: it is replaced, and the reply is 3. Other errors of the read,
# such as a missing permission, end the script.
_GET = """
local is_foreign = false
local function get(...)
  local found = redis.pcall(...)
  if type(found) == 'table' and found.err then
    if not string.find(found.err, 'WRONGTYPE', 1, true) then return '', found end
    is_foreign = true
    return ''
  end
  return found or ''
end
"""

# ARGV: the value, seconds to live (0: for ever). Positions are those of hangtag/store/value.py, counted from 1.
# The reply is a number of OUTCOMES, or the stored value if its revision of people's decisions is later.
_WRITE = (
    _COMPARE
    + _GET
    + """
local old, refused = get('GETRANGE', KEYS[1], 0, 50)
if refused then return refused end
local new = ARGV[1]
-- What no program of this format can have written counts as nothing, as it does for those that read it.
local function is_complete()
  if #old < 50 or string.byte(old, 1) ~= string.byte(new, 1) then return false end
  if string.byte(old, 10) ~= (#old == 50 and 1 or 0) then return false end
  return string.byte(old, 2) < 128 and string.byte(old, 11) < 128 and string.byte(old, 19) < 128
end
if is_complete() then
  local order = compare(old, new, 2, 10)
  if order < 0 then return 0 end
  local are_tags = string.byte(old, 10) == 0 and string.byte(new, 10) == 0
  local revision = compare(old, new, 19, 26)
  if order == 0 then
    local sequence = compare(old, new, 11, 18)
    if sequence < 0 then return 0 end
    if sequence == 0 and revision == 0 and string.sub(old, 27, 34) == string.sub(new, 27, 34) then return 2 end
  end
  if are_tags and revision < 0 then return redis.call('GET', KEYS[1]) end
end
if ARGV[2] == '0' then
  redis.call('SET', KEYS[1], new)
else
  redis.call('SET', KEYS[1], new, 'EX', ARGV[2])
end
return is_foreign and 3 or 1
"""
)

# ARGV: the version, seconds to live. The same version again prolongs its life.
_SEE = (
    _COMPARE
    + _GET
    + """
local old, refused = get('GET', KEYS[1])
if refused then return refused end
if #old == 8 and compare(old, ARGV[1], 1, 8) < 0 then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
return is_foreign and 3 or 1
"""
)

# On `ht:rebuild`. ARGV: the run, the step that it made last, the step that it makes now, then fields and values to set.
# A repeated try finds its own step. The reply is 0 if the step made last is not there.
_ADVANCE = """
local found = redis.call('HMGET', KEYS[1], 'run', 'step')
if found[1] ~= ARGV[1] or (found[2] ~= ARGV[2] and found[2] ~= ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], 'step', ARGV[3], unpack(ARGV, 4))
return 1
"""

# On `ht:meta`. ARGV: the identity of the store that was rebuilt. The reply is 0 if the store has another one by now.
_COMPLETE = """
if redis.call('HMGET', KEYS[1], 'identity')[1] ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'rebuilt', ARGV[1])
redis.call('HDEL', KEYS[1], 'emptied')
return 1
"""

REPLACED = 3
OUTCOMES = {0: Outcome.OLDER, 1: Outcome.WRITTEN, 2: Outcome.SAME, REPLACED: Outcome.WRITTEN}


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the hash by which the store identifies it."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", sha1(self.text.encode(), usedforsecurity=False).hexdigest())


WRITE = Script(_WRITE)
SEE = Script(_SEE)
ADVANCE = Script(_ADVANCE)
COMPLETE = Script(_COMPLETE)

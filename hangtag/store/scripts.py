"""The scripts that run inside the store. The keys of a call are in one slot, so they run on a cluster too."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha1
from typing import Any

from hangtag.store.entry import Outcome
from hangtag.store.lua import COMPARE, GET, HEADER, MARK

# KEYS: of the tags and of the mark of a product. ARGV: the value, seconds that it lives (0: for ever), seconds that a
# mark lives. The reply is a number of OUTCOMES, or the stored value if its revision of people's decisions is later.
# A re-tag adds '1' if nothing else may be replaced than tags of the same version, and its id with a third key, under
# which it keeps tags of another bundle or sequence that it replaces by others.
_WRITE = (
    COMPARE
    + GET
    + HEADER
    + MARK
    + """
local found, failed, is_foreign = get('GETRANGE', KEYS[1], 0, 50)
if failed then return failed end
local old, new = header(found), ARGV[1]
if ARGV[4] == '1' and (old == '' or string.byte(old, 10) == 1 or compare(old, new, 2, 9) ~= 0) then return 4 end
if old ~= '' then
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
local marked, failed = get('GET', KEYS[2])
if failed then return failed end
local function maker(value) return string.sub(value, 11, 18) .. string.sub(value, 27, 34) end
if KEYS[3] and old ~= '' and maker(old) ~= maker(new) then
  local former = redis.call('GET', KEYS[1])
  if string.sub(former, 51) ~= string.sub(new, 51) then redis.call('SET', KEYS[3], ARGV[5] .. former) end
end
if ARGV[2] == '0' then
  redis.call('SET', KEYS[1], new)
else
  redis.call('SET', KEYS[1], new, 'EX', ARGV[2])
end
local seen = mark(marked)
if seen ~= '' then keep(KEYS[2], seen, seen, new, ARGV[3]) end
return is_foreign and 3 or 1
"""
)

# KEYS: of the mark and of the tags of a product, then of the next one. ARGV: seconds that a mark lives, then a mark for
# each product. What two marks say is combined, so their order does not matter; the same version again prolongs its
# life. The reply is the place of a key of another type that was replaced, 0 if there is none.
_SEE = (
    COMPARE
    + GET
    + HEADER
    + MARK
    + """
local replaced = 0
for i = 1, #KEYS, 2 do
  local place = (i + 1) / 2
  local found, failed, is_foreign = get('GET', KEYS[i])
  if failed then return failed end
  local value, failed = get('GETRANGE', KEYS[i + 1], 0, 50)
  if failed then return failed end
  local old, new = mark(found), ARGV[place + 1]
  local seen = new
  if old ~= '' then
    local order = compare(old, new, 2, 9)
    -- Of one version the first place counts that is known.
    if order < 0 or (order == 0 and string.byte(old, 22) < 128) then seen = old end
    local refused = compare(old, new, 10, 17) > 0 and new or old
    seen = string.sub(seen, 1, 9) .. string.sub(refused, 10, 17) .. string.sub(seen, 18)
    if order < 0 and seen == old then seen = '' end
  end
  if seen ~= '' then
    if keep(KEYS[i], old, seen, header(value), ARGV[1]) and is_foreign then replaced = i end
  end
end
return replaced
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

# On `ht:retag`. ARGV: the process that has taken it over, then fields and values. The reply is 0 if another one has.
_NOTE = """
if redis.call('HMGET', KEYS[1], 'holder')[1] ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return 1
"""

# Of the command that runs a script.
FIRST_KEY = 3
REPLACED = 3
OUTCOMES = {0: Outcome.OLDER, 1: Outcome.WRITTEN, 2: Outcome.SAME, REPLACED: Outcome.WRITTEN, 4: Outcome.GONE}


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the hash by which the store identifies it."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", sha1(self.text.encode(), usedforsecurity=False).hexdigest())

    def call(self, keys: Sequence[str], *arguments: Any) -> tuple[Any, ...]:
        """The command that runs it."""
        return ("EVALSHA", self.sha, len(keys), *keys, *arguments)


WRITE = Script(_WRITE)
SEE = Script(_SEE)
ADVANCE = Script(_ADVANCE)
COMPLETE = Script(_COMPLETE)
NOTE = Script(_NOTE)

-- Put before every script: fields of hashes that stand for something of their own.

-- Of `consumers`, beside the identities: the mode, and who alone reads what is new.
local MODE, HOLDER = '#mode', '#holder'
-- Of `beats`. CLEAN: up to this id somebody else may have finished entries without deleting them. TORN:
-- `id|identity|identity…`, how far the walk over the stream is that puts everything back, and whose consumers were
-- deleted. BACK and an identity: the lowest id that was brought back for it, from which it reads again.
local CLEAN, TORN, BACK = '#clean', '#torn', '#back:'

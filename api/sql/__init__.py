"""The statements of this room, named, in commented .sql files beside this one; `api.database.statement` finds them."""

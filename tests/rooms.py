"""Prints the rooms, their floors and the arrows between them: ``python -m tests.rooms``.

An arrow is a room that uses another one; a floor is one more than that of the highest room used.
"""

from tests.test_architecture import CORE, DASHBOARD, MAY_USE, ROOT, of_rooms, room_of


def main():
    """Print one line for each room, and the sums."""
    floors = {}
    for room, used in MAY_USE.items():
        top = room.split(".")[0]
        floors[room] = 1 + max((floors[f"{top}.{other}"] for other in used.split()), default=0)
    imports = [each for each in of_rooms() if each[1] and room_of(each[2])]
    for room, used in MAY_USE.items():
        modules = len([*ROOT.joinpath(*room.split(".")).glob("*.py")]) - 1
        print(f"{room:18} floor {floors[room]}, {modules:2} modules, uses {used or 'no other'}")
    for top, files in (("core", CORE), ("dashboard", DASHBOARD)):
        ours = [room for room in MAY_USE if room.startswith(f"{top}.")]
        arrows = sum(len(MAY_USE[room].split()) for room in ours)
        names = {(path, module) for path, own, module, _ in imports if own in ours}
        print(
            f"{top}: {len(files)} files, {len(ours)} rooms, {arrows} arrows, "
            f"{max(floors[room] for room in ours)} floors; {len(names)} imports between rooms"
        )


if __name__ == "__main__":
    main()

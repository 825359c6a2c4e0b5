import sys

from pielab.__main__ import main

sys.exit(main(["report", *sys.argv[1:]]))

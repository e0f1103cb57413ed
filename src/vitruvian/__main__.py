from vitruvian.cli import main

main()

from rgbx.cli import main

main()

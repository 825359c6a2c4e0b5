from pielab.report.page import main

main()

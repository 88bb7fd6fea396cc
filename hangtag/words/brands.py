"""Brands that sell many kinds of things, so that the name alone says nothing about the thing."""

from hangtag.words.function_words import word_set

# Each word of a name that has several. Left out are names that are also words (apple, shell), and those of one kind of
# thing (lego, pampers).
BRANDS = word_set(
    """
    samsung sony lg panasonic philips siemens bosch toshiba hitachi sanyo jvc haier hisense tcl xiaomi huawei oppo
    oneplus motorola nokia lenovo asus acer dell hewlett packard hp microsoft google intel amd nvidia logitech razer
    corsair canon nikon fujifilm olympus kodak epson xerox garmin bose jbl sennheiser harman kardon anker belkin
    amazonbasics nike adidas reebok asics fila umbro kappa lotto mizuno skechers lululemon salomon patagonia
    timberland quiksilver billabong volcom oakley speedo wilson spalding decathlon kipsta quechua gucci prada chanel
    versace armani burberry hermes dior fendi balenciaga givenchy valentino dolce gabbana cartier bulgari swarovski
    casio seiko tissot longines zara primark uniqlo asos shein boohoo topshop benetton lacoste hilfiger calvin klein
    levis levi's wrangler superdry hollister abercrombie fitch harley davidson yamaha honda suzuki kawasaki ducati
    ktm toyota nissan mazda subaru mitsubishi hyundai kia volkswagen audi bmw mercedes benz porsche opel renault
    peugeot citroen fiat ferrari lamborghini maserati volvo skoda tesla ford chevrolet chrysler jeep cadillac dewalt
    makita ryobi milwaukee black+decker decker husqvarna stihl karcher kärcher gardena metabo hilti dremel einhell
    ikea wayfair tefal kitchenaid kenwood delonghi de'longhi breville cuisinart braun dyson miele electrolux
    whirlpool rowenta moulinex krups smeg zwilling wmf fissler loreal l'oreal nivea garnier maybelline clinique
    lancome shiseido johnson procter nestle unilever kraft heinz danone walmart ebay etsy aliexpress costco tesco
    lidl aldi carrefour temu
    """
)

// Words that the generated shop is made of. Pure lists; the drawing is in rows.mjs.
const list = (text) => text.trim().split(/\s*,\s*/);

export const adjectives = list(`Classic, Nordic, Rustic, Modern, Slim, Grand, Compact, Quiet, Bright, Soft, Sturdy, Folding, Round, Tall, Low,
  Woven, Hand-made, Striped, Plain, Ribbed, Matte, Everyday, Heritage, Coastal, Urban, Alpine, Garden, Studio, Atelier, Little`);
export const series = list(`Aster, Birk, Cala, Dune, Elm, Fjord, Gale, Holt, Isle, Juno, Kite, Lark, Moss, Nord, Opal, Pine, Quill, Reed, Sage, Tarn, Umber,
  Vale, Wren, Yarrow, Zephyr, Alder, Brook, Cedar, Dell, Ember, Fern, Glen, Hazel, Ivy, Jasper, Knoll, Linden, Maple, Nettle, Oriel, Pebble, Rowan, Sorrel, Thistle,
  Willow, Heath, Marsh, Ridge, Shore, Stone`);
export const materials = list(`oak, walnut, beech, ash, pine, bamboo, rattan, cane, steel, brass, copper, cast iron, aluminium, enamel, stoneware, porcelain, glass,
  marble, slate, concrete, linen, cotton, wool, felt, jute, leather, velvet, cork, silicone, recycled plastic`);
export const colours = list(`white, ivory, sand, stone grey, charcoal, black, navy, sky blue, teal, forest green, olive, sage, mustard, ochre, terracotta, rust,
  burgundy, blush, lilac, natural`);
export const sizes = list(`XS, S, M, L, XL`);
export const qualities = list(`made to last, easy to clean, light enough to carry in one hand, safe for the dishwasher, finished by hand, tested for ten years of use,
  packed without plastic, repairable with common tools, certified by an independent laboratory, from a family workshop, designed for small homes, pleasant to the touch,
  quiet in use, free of solvents, made to order in two weeks, stackable, at home indoors and out`);
export const uses = list(`a small kitchen, long evenings, a rented flat, a big family, the corner nobody used, a guest room, slow mornings, a busy hallway, the balcony,
  a first home, a reading corner, Sunday breakfast, rainy days, a weekend away, the workshop, a gift`);
export const details = list(`The edges are rounded, Spare parts are kept for fifteen years, The colour deepens with the years, Each piece is slightly different,
  The cover comes off for washing, Four felt feet protect the floor, The lid doubles as a tray, It ships flat and goes together in ten minutes, A "second" with small marks costs less,
  The handle stays cool, It can be oiled once a year, The seams are double-stitched, It needs no drilling, The packaging is paper only`);
export const tags = list(`new, bestseller, eco, handmade, limited, gift, outdoor, kids, vegan, fsc, recycled, made-in-eu, award, clearance, set, dishwasher-safe, foldable,
  small-spaces, wool, waterproof, smart, vintage, fragile, heavy, refill`);

export const firstNames = list(`Anna, Ben, Clara, David, Emma, Felix, Greta, Hugo, Ida, Jonas, Katja, Leo, Mia, Noah, Olga, Paul, Rosa, Simon, Tessa, Viktor, Yara, Zoë,
  Aurélie, Benoît, Chloé, Élodie, François, Giulia, Lorenzo, Matteo, Sofía, Javier, Lucía, João, Inês, Łukasz, Zofia, Jakub, Agnieszka, Åsa, Björn, Søren, Freja, Niels, Maarten,
  Sanne, Eleni, Nikos, Márton, Réka, Ondřej, Tereza, Ayşe, Mehmet, Aoife, Ciarán, Grace, Oliver, Amelia, Harry, Priya, Arjun, Mei, Hiro, Nadia, Omar, Leila, Kofi, Amina, Ivan`);
export const lastNames = list(`Müller, Schmidt, Weber, Fischer, Wagner, Becker, Hoffmann, Schäfer, Koch, Martin, Bernard, Dubois, Moreau, Lefèvre, Rossi, Russo, Ferrari,
  Bianchi, García, Fernández, López, Martínez, Silva, Santos, Ferreira, Kowalski, Nowak, Wiśniewska, Zielińska, Andersson, Johansson, Nilsson, Hansen, Jensen, Nielsen, de Vries,
  van den Berg, Bakker, Jansen, Papadopoulos, Nagy, Szabó, Horváth, Novák, Svoboda, Dvořáková, Yılmaz, Demir, O'Brien, Murphy, Walsh, Smith, Jones, Taylor, Brown, Evans, Patel,
  Singh, Chen, Tanaka, Haddad, Mensah, Okafor, Petrov, Ivanova, Virtanen, Korhonen, Peeters, Janssens, Keller`);
export const streets = list(`Harbour Street, Mill Lane, Station Road, Linden Avenue, Church Street, Park Row, Bridge Street, Garden Way, Market Square, Orchard Road, River Walk,
  School Lane, Castle Street, Meadow Road, Forest Drive, Hill Street, Canal Side, Tower Street, Rose Lane, Queen Street, Hauptstraße, Bahnhofstraße, Rue de la République,
  Rue Pasteur, Via Roma, Via Garibaldi, Calle Mayor, Avenida del Mar, Rua Augusta, Dorpsstraat, Kerkstraat, Storgatan, Kongensgade, ulica Długa`);
export const places = [ // city, country, the shape of its postal codes (9: a digit, A: a letter)
  ["Berlin", "DE", "99999"], ["Hamburg", "DE", "99999"], ["München", "DE", "99999"], ["Köln", "DE", "99999"], ["Leipzig", "DE", "99999"],
  ["Paris", "FR", "99999"], ["Lyon", "FR", "99999"], ["Nantes", "FR", "99999"], ["Lille", "FR", "99999"], ["Milano", "IT", "99999"], ["Torino", "IT", "99999"],
  ["Madrid", "ES", "99999"], ["València", "ES", "99999"], ["Lisboa", "PT", "9999-999"], ["Porto", "PT", "9999-999"], ["Amsterdam", "NL", "9999 AA"],
  ["Utrecht", "NL", "9999 AA"], ["Antwerpen", "BE", "9999"], ["Gent", "BE", "9999"], ["Wien", "AT", "9999"], ["Graz", "AT", "9999"], ["Zürich", "CH", "9999"],
  ["Stockholm", "SE", "999 99"], ["Göteborg", "SE", "999 99"], ["København", "DK", "9999"], ["Aarhus", "DK", "9999"], ["Oslo", "NO", "9999"], ["Helsinki", "FI", "99999"],
  ["Warszawa", "PL", "99-999"], ["Kraków", "PL", "99-999"], ["Praha", "CZ", "999 99"], ["Budapest", "HU", "9999"], ["Dublin", "IE", "A99 A9A9"], ["Cork", "IE", "A99 A9A9"],
];

export const praise = list(`Exactly what I was looking for, Better than in the pictures, Sturdy and beautiful, Would buy it again, A joy every morning, The whole family likes it,
  Well made, Worth every cent, Arrived early, Perfect size, Simple and good`);
export const shrug = list(`Does what it should, Fine for the price, Smaller than expected, Nice but heavy, Colour differs a little, Good with a small flaw`);
export const complaint = list(`Broke after a month, Arrived with a scratch, Not what was described, Missing a screw, Too loud for my taste, Sent it back`);
export const reviewSentences = list(`We use it every day, The assembly took a quarter of an hour, The material feels honest, Customer service answered within a day,
  I compared several and chose this one, It replaced one that was twenty years old, The colour fits our walls, My neighbour ordered one as well, The box was larger than the thing,
  It smells of nothing, After three months it looks like new, The instructions have drawings only, I wish there were one size more, Delivery took four days`);
export const orderNotes = list(`Please ring twice, Leave it with the neighbours, It is a gift: no invoice in the box please, Second floor on the left, Call before delivery,
  The gate code is on the door, Thank you!`);

export const postOpenings = list(`How to choose, Living with, The case for, Ten years of, Caring for, A short history of, Repairing, What we learned about, In praise of,
  A weekend with, Before you buy, The quiet beauty of, Small homes and, Why we stopped making, Inside the workshop that makes`);
export const postTags = list(`guides, care, repair, workshop, people, history, small-spaces, seasons, materials, recipes, colour, light, garden, children, travel`);
export const postSentences = list(`Good things take the time they need, We asked three makers and got four answers, Wood moves with the weather and that is no fault,
  The first rule is to measure twice, Nobody notices a good hinge, A lamp changes a room more than a wall does, Linen wants to be used rather than kept, Start with the one chair you sit in,
  The cheapest thing is the one you already own, A drop of oil in autumn saves a repair in spring, Children are the best testers we know, Colours look different at four in the afternoon,
  A kitchen works when two can stand in it, What is repaired is liked twice, The old drawings hang beside the new machines, In winter the workshop smells of resin,
  We weighed it and then took a third away, The secret is in the joint that you cannot see, Order begins with fewer things, Glass remembers every hand that held it`);
export const commentSentences = list(`Thank you for this, I tried it and it works, My grandmother did the same, Could you write about softwood too?, I disagree about the oil,
  Where was the third picture taken?, Saved for the weekend, This is why I read your blog, Ours is still going after thirty years, Does this hold outdoors as well?, Lovely story,
  The link in the second paragraph is broken`);
